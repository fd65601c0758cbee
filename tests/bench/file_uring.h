/* The way of a file that is io_uring, by its system calls: all commands of a batch are submitted,
 * and waited for, in one. */
#pragma once

#include "tests/bench/file_ways.h"

void file_uring_open(struct file_job *job);
void file_uring_move(struct file_job *job);

/* The record of what happened: every event is appended to STATE/events.jsonl and handed to those
 * who follow. The record is bounded: when it is full it becomes events.jsonl.1, in the place of the
 * one before. A full disk costs events, never the cluster. */
#pragma once

#include "target/base/buffer.h"

#include <stdint.h>

struct events {
    char *path;         /* owned */
    int file;           /* -1: not open */
    int64_t size, lost; /* size: what is in it */
    struct buffer pending;
};

/* Begins a new record; the last run's is kept as events.jsonl.1. NULL, or an owned sentence. */
char *events_open(struct events *events, const char *state_directory);
void events_close(struct events *events);
/* A line with its newline; it is in the record after the next flush. */
void events_append(struct events *events, const char *line, size_t length);
void events_flush(struct events *events);

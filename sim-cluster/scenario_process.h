/* A child process of a scenario: a verb of our own, or a command of the shell. It dies with us;
 * what it says is kept. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct scenario_process {
    pid_t pid;  /* 0: not running */
    int output; /* -1: none */
    int code;   /* once it has ended; 128 and more: a signal */
};

/* `program` NULL: ourselves. `arguments` end with NULL. false: it cannot be started. */
bool scenario_process_start(struct scenario_process *process, const char *program,
                            const char *const arguments[], bool keeps_stderr);
/* Has it ended? Waits for it when `is_patient`. */
bool scenario_process_is_ended(struct scenario_process *process, bool is_patient);
/* Owned: standard output, and standard error unless that was kept where it is. */
char *scenario_process_said(const struct scenario_process *process);
/* Ends it by SIGKILL if it runs. */
void scenario_process_free(struct scenario_process *process);

#include "sim-cluster/scenario_process.h"

#include "target/base/memory.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SAID_MAX = 4 << 20, CANNOT_RUN = 127, SIGNAL_BASE = 128 };

static void become(const struct scenario_process *process, const char *program,
                   const char *const arguments[], bool keeps_stderr)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    signal(SIGINT, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    setpgid(0, 0);
    dup2(process->output, STDOUT_FILENO);
    if (!keeps_stderr)
        dup2(process->output, STDERR_FILENO);
    execv(program ? program : "/proc/self/exe", (char *const *)arguments);
    fprintf(stderr, "%s: %s\n", program ? program : "sim-cluster", strerror(errno));
    _exit(CANNOT_RUN);
}

bool scenario_process_start(struct scenario_process *process, const char *program,
                            const char *const arguments[], bool keeps_stderr)
{
    *process = (struct scenario_process){.output = memfd_create("output", MFD_CLOEXEC)};
    fflush(stdout);
    process->pid = process->output < 0 ? -1 : fork();
    if (!process->pid)
        become(process, program, arguments, keeps_stderr);
    if (process->pid > 0)
        return true;
    process->pid = 0;
    process->code = CANNOT_RUN;
    return false;
}

bool scenario_process_is_ended(struct scenario_process *process, bool is_patient)
{
    int status = 0;
    pid_t got;

    if (!process->pid)
        return true;
    do
        got = waitpid(process->pid, &status, is_patient ? 0 : WNOHANG);
    while (got < 0 && errno == EINTR);
    if (!got)
        return false;
    process->pid = 0;
    process->code = WIFEXITED(status) ? WEXITSTATUS(status) : SIGNAL_BASE + WTERMSIG(status);
    return true;
}

char *scenario_process_said(const struct scenario_process *process)
{
    struct stat status;
    size_t size =
        process->output >= 0 && !fstat(process->output, &status) ? (size_t)status.st_size : 0;
    char *text = memory_new((size > SAID_MAX ? SAID_MAX : size) + 1);

    if (size && pread(process->output, text, size > SAID_MAX ? SAID_MAX : size, 0) < 0)
        *text = '\0';
    return text;
}

void scenario_process_free(struct scenario_process *process)
{
    if (process->pid) {
        kill(-process->pid, SIGKILL);
        scenario_process_is_ended(process, true);
    }
    if (process->output >= 0)
        close(process->output);
    process->output = -1;
}

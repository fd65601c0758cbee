#include "target/base/sandbox.h"
#include "tests/unit/unit.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SOMEBODY = 4711, IS_SAME = 0, DIFFERS = 1, NOT_IN_FORCE = 77, UNKNOWN_CALL = 9999 };

static char directory[40], outside[64];

static void set_up(void)
{
    snprintf(directory, sizeof(directory), "/tmp/sandbox-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(outside, sizeof(outside), "%s-outside", directory);
    close(open(outside, O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
    chmod(outside, 0666);
    if (!geteuid())
        ck_assert_int_eq(chown(directory, SOMEBODY, SOMEBODY), 0);
}

static void tear_down(void)
{
    char command_file[64];

    snprintf(command_file, sizeof(command_file), "%s/inside", directory);
    unlink(command_file);
    unlink(outside);
    rmdir(directory);
}

/* ---- what a process in a sandbox attempts: 0, or errno ---- */

static int error_of(long result)
{
    return result < 0 ? errno : 0;
}

static int make_a_file(void)
{
    int file = open("./inside.new", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (file < 0 || write(file, "x", 1) != 1 || fsync(file) || ftruncate(file, 0) || close(file))
        return errno;
    return error_of(rename("./inside.new", "./inside"));
}

static int read_outside(void)
{
    return error_of(open(outside, O_RDONLY | O_CLOEXEC));
}

static int write_outside(void)
{
    return error_of(open("../../..", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == EACCES
               ? error_of(open(outside, O_WRONLY | O_CLOEXEC))
               : 0;
}

static int make_a_link(void)
{
    return error_of(symlink("/etc/passwd", "./inside"));
}

static int run_a_program(void)
{
    return error_of(execl("/bin/true", "true", NULL));
}

static int fork_a_process(void)
{
    return error_of(fork());
}

static int trace(void)
{
    return error_of(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int set_up_io_uring(void)
{
    return error_of(syscall(SYS_io_uring_setup, 1, NULL));
}

static int make_another_call(void)
{
    return error_of(syscall(UNKNOWN_CALL));
}

static int open_a_unix_socket(void)
{
    return error_of(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int open_a_tcp_socket(void)
{
    return error_of(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int map_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
               ? errno
               : 0;
}

static int signal_another(void)
{
    return error_of(kill(getppid(), 0));
}

static int abort_itself(void)
{
    signal(SIGABRT, SIG_DFL);
    abort();
}

static void *do_nothing(void *argument)
{
    return argument;
}

static int start_a_thread(void)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, do_nothing, NULL);

    return error ? error : pthread_join(thread, NULL);
}

enum needs { NEEDS_NOTHING, NEEDS_SECCOMP, NEEDS_LANDLOCK };

static const struct {
    int (*attempt)(void);
    bool has_files;
    enum needs needs;
    int error, signal;
} attempts[] = {
    {make_a_file, true, NEEDS_NOTHING, 0, 0},
    {make_a_file, false, NEEDS_SECCOMP, ENOSYS, 0},
    {read_outside, true, NEEDS_LANDLOCK, EACCES, 0},
    {read_outside, false, NEEDS_SECCOMP, ENOSYS, 0},
    {write_outside, true, NEEDS_LANDLOCK, EACCES, 0},
    {make_a_link, true, NEEDS_SECCOMP, ENOSYS, 0},
    {run_a_program, true, NEEDS_SECCOMP, 0, SIGSYS},
    {run_a_program, false, NEEDS_SECCOMP, 0, SIGSYS},
    {fork_a_process, true, NEEDS_SECCOMP, 0, SIGSYS},
    {fork_a_process, false, NEEDS_SECCOMP, 0, SIGSYS},
    {trace, true, NEEDS_SECCOMP, 0, SIGSYS},
    {set_up_io_uring, true, NEEDS_SECCOMP, 0, SIGSYS},
    {make_another_call, true, NEEDS_SECCOMP, ENOSYS, 0},
    {open_a_unix_socket, true, NEEDS_SECCOMP, ENOSYS, 0},
    {open_a_tcp_socket, false, NEEDS_NOTHING, 0, 0},
    {map_code, true, NEEDS_SECCOMP, ENOSYS, 0},
    {signal_another, true, NEEDS_SECCOMP, ENOSYS, 0},
    {abort_itself, false, NEEDS_NOTHING, 0, SIGABRT},
    {start_a_thread, true, NEEDS_NOTHING, 0, 0},
    {start_a_thread, false, NEEDS_SECCOMP, ENOSYS, 0},
};

/* As the supervisor asks for it: as root another user. */
static struct sandbox enter(bool has_files)
{
    json_t *request = geteuid() ? json_object()
                                : json_pack("{s:{s:i, s:i, s:b}}", "sandbox", "uid", SOMEBODY,
                                            "gid", SOMEBODY, "dumpable", 0);
    struct sandbox sandbox;
    char *wrong = sandbox_enter(&sandbox, request, has_files ? directory : NULL);

    json_decref(request);
    if (wrong)
        fprintf(stderr, "%s\n", wrong);
    if (wrong)
        _exit(DIFFERS);
    return sandbox;
}

static bool is_in_force(const struct sandbox *sandbox, enum needs needs)
{
    return needs == NEEDS_SECCOMP    ? sandbox->has_seccomp
           : needs == NEEDS_LANDLOCK ? sandbox->landlock > 0
                                     : true;
}

static void attempt_in_child(int row)
{
    struct sandbox sandbox = enter(attempts[row].has_files);
    int error;

    if (!is_in_force(&sandbox, attempts[row].needs))
        _exit(NOT_IN_FORCE);
    error = attempts[row].attempt();
    if (error != attempts[row].error)
        fprintf(stderr, "attempt %d: error %d\n", row, error);
    _exit(error == attempts[row].error ? IS_SAME : DIFFERS);
}

START_TEST(sandbox_allows_what_a_child_does_and_nothing_else)
{
    pid_t child = fork();
    int status;

    if (!child)
        attempt_in_child(_i);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_IN_FORCE)
        return;
    if (attempts[_i].signal)
        ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == attempts[_i].signal);
    else
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == IS_SAME);
}
END_TEST

static void check_privileges(void)
{
    struct rlimit core;
    struct sandbox sandbox;
    bool is_root = !geteuid();

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sandbox = enter(true);
    ck_assert(!sandbox.held.has_capabilities && sandbox.held.no_new_privs);
    ck_assert(!is_root || (geteuid() == SOMEBODY && getegid() == SOMEBODY));
    ck_assert(!getrlimit(RLIMIT_CORE, &core) && core.rlim_max <= 1);
    _exit(0);
}

START_TEST(no_privilege_is_left_and_none_can_be_had)
{
    pid_t child = fork();
    int status;

    if (!child)
        check_privileges();
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(sandbox_is_left_out_only_when_that_is_asked_for)
{
    pid_t child = fork();
    int status;

    if (!child) {
        json_t *request = json_pack("{s:b}", "sandbox", 0);
        struct sandbox sandbox;
        char *wrong = sandbox_enter(&sandbox, request, directory);

        json_decref(request);
        _exit(wrong || sandbox.is_on || read_outside() ? DIFFERS : IS_SAME);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sandbox");
    TCase *tcase = tcase_create("sandbox");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_loop_test(tcase, sandbox_allows_what_a_child_does_and_nothing_else, 0,
                        sizeof(attempts) / sizeof(*attempts));
    tcase_add_test(tcase, no_privilege_is_left_and_none_can_be_had);
    tcase_add_test(tcase, sandbox_is_left_out_only_when_that_is_asked_for);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}

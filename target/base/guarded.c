#include "target/base/guarded.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

/* Where the thread goes on when memory is missing, and where that was. A signal handler gets no
 * other arguments. */
static _Thread_local sigjmp_buf *way_out;
static _Thread_local const uint8_t *place;
static struct guarded_memory *watched; /* borrowed */

bool guarded_has(const struct guarded_memory *memory, const uint8_t *byte)
{
    return byte >= memory->bytes && byte < memory->bytes + memory->length;
}

void guarded_lose(struct guarded_memory *memory)
{
    memory->is_lost = mmap(memory->bytes, memory->length, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
}

/* One that is not ours ends the process as it would without us. */
static void on_bus_error(int signal, siginfo_t *about, void *context)
{
    (void)context;
    if (way_out) {
        place = about->si_addr;
        siglongjmp(*way_out, 1);
    }
    if (watched && !watched->is_lost && guarded_has(watched, about->si_addr)) {
        guarded_lose(watched);
        return;
    }
    sigaction(signal, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
}

static void catch_bus_errors(void)
{
    static const struct sigaction action = {.sa_sigaction = on_bus_error,
                                            .sa_flags = SA_SIGINFO | SA_NODEFER};

    sigaction(SIGBUS, &action, NULL);
}

static void catch_bus_errors_once(void)
{
    static pthread_once_t is_caught = PTHREAD_ONCE_INIT;

    pthread_once(&is_caught, catch_bus_errors);
}

void guarded_watch(struct guarded_memory *memory)
{
    catch_bus_errors_once();
    watched = memory;
}

bool guarded_run(guarded_function *run, void *argument, const uint8_t **missing)
{
    sigjmp_buf here;

    catch_bus_errors_once();
    if (sigsetjmp(here, 0)) {
        way_out = NULL;
        if (missing)
            *missing = place;
        return false;
    }
    way_out = &here;
    run(argument);
    way_out = NULL;
    return true;
}

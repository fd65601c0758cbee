#include "target/base/fault_counts.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

static const size_t size = FAULT_BOARD_SLOTS * sizeof(struct fault_counts);

static int map(struct fault_board *board, int descriptor)
{
    void *slots = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);

    if (slots == MAP_FAILED)
        return -errno;
    board->slots = slots;
    return 0;
}

int fault_board_new(struct fault_board *board)
{
    int error = 0;

    *board =
        (struct fault_board){.descriptor = memfd_create("faults", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
    if (board->descriptor < 0)
        return -errno;
    if (ftruncate(board->descriptor, (off_t)size) ||
        fcntl(board->descriptor, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
        error = -errno;
    else
        error = map(board, board->descriptor);
    if (error)
        fault_board_free(board);
    return error;
}

int fault_board_join(struct fault_board *board)
{
    int seals;

    if (board->slots)
        return 0;
    board->descriptor = -1;
    seals = fcntl(FAULT_BOARD_DESCRIPTOR, F_GET_SEALS);
    if (seals < 0)
        return -errno;
    return seals & F_SEAL_SHRINK ? map(board, FAULT_BOARD_DESCRIPTOR) : -EPERM;
}

void fault_board_free(struct fault_board *board)
{
    if (board->slots)
        munmap(board->slots, size);
    if (board->descriptor >= 0)
        close(board->descriptor);
    *board = (struct fault_board){.descriptor = -1};
}

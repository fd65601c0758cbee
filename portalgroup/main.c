/* The process of a floating IP: its loop, its control channel. */
#include "portalgroup/floating.h"

int main(void)
{
    struct ev_loop *loop = ev_default_loop(EVFLAG_AUTO);
    struct floating *floating = floating_new(loop);
    struct child *child = child_new(loop, floating_requests, floating);

    if (!child)
        return 2;
    floating_set_child(floating, child);
    ev_run(loop, 0);
    return 0;
}

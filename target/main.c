/* The process of a node: its loop, its control channel. */
#include "target/node.h"

int main(void)
{
    struct ev_loop *loop = ev_default_loop(EVFLAG_AUTO);
    struct node *node = node_new(loop);
    struct child *child = child_new(loop, node_requests, node);

    if (!child)
        return 2;
    node_set_child(node, child);
    ev_run(loop, 0);
    return 0;
}

/* The process of a wire: a node's link to one network, by way of the fault rules of the kinds
 * network.*. It is given two packet sockets, descriptor 6 at the node's end and 7 at the bridge's;
 * what comes from one leaves by the other, late, twice or not at all. What it holds back is
 * bounded. It is told what to do like every child, target/base/child.h. */
#pragma once

/* The exit code. */
int wire_main(void);

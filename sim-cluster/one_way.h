/* Cuts one direction of a link: a program in the kernel (XDP) that drops everything an interface
 * receives. For a node's own end that is what comes in, for the other end of its cable what goes
 * out. */
#pragma once

/* In the namespace that the caller is in. A descriptor that keeps it cut until it is closed, or
 * -errno. */
int one_way_cut(int interface_index);

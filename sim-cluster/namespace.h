/* Named network namespaces, in the place where "ip netns" looks for them. Errors are -errno. */
#pragma once

/* Goes into the namespace and back: what is opened in between belongs to it. The descriptor that
 * leads back, or -errno. */
int namespace_enter(int space);
void namespace_leave(int back);

/* The number that a namespace has while it exists; of ours. 0: not known. */
unsigned long namespace_number(void);
/* A descriptor of the one with that number, if it is that of the first process or has a name. */
int namespace_find(unsigned long number);

/* A new one with that name, marked by the alias of its loopback interface, which is up. Its
 * descriptor, or -EEXIST and others. */
int namespace_create(const char *name, const char *mark);
/* Its descriptor; -ENOENT: no such name; -EINVAL: the name is there, the namespace is not. */
int namespace_open(const char *name);
/* Only the name goes; the namespace ends when nothing is in it any more. */
int namespace_remove_name(const char *name);

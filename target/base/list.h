/* An intrusive list, doubly linked: the links are embedded in the element, a head is a node of its
 * own. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

struct list {
    struct list *next, *previous;
};

#define LIST_FOR_EACH(node, head)                                                                  \
    for (struct list *node = (head)->next; node != (head); node = node->next)

/* The current node may be removed, no other one. */
#define LIST_FOR_EACH_SAFE(node, head)                                                             \
    for (struct list *node = (head)->next, *node##_next = node->next; node != (head);              \
         node = node##_next, node##_next = node->next)

static inline void list_init(struct list *head)
{
    head->next = head->previous = head;
}

static inline bool list_is_empty(const struct list *head)
{
    return head->next == head;
}

static inline void list_append(struct list *head, struct list *node)
{
    node->next = head;
    node->previous = head->previous;
    head->previous->next = node;
    head->previous = node;
}

/* Leaves the node as an empty list of its own, so that removing it twice does no harm. */
static inline void list_remove(struct list *node)
{
    node->next->previous = node->previous;
    node->previous->next = node->next;
    list_init(node);
}

/* NULL when empty. */
static inline struct list *list_first(const struct list *head)
{
    return head->next == head ? NULL : head->next;
}

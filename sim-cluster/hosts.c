#include "sim-cluster/hosts.h"

#include "target/base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t code_of_reach(const char *name, const char *target)
{
    return hash_folded(hash_folded(HASH_START, name), target);
}

static uint64_t code_of_path(const char *name, const char *target, const char *isid)
{
    return hash_bytes(code_of_reach(name, target), isid, strlen(isid));
}

void hosts_init(struct hosts *hosts)
{
    *hosts = (struct hosts){0};
    list_init(&hosts->all);
}

/* ---- initiators ---- */

static struct host_record *find_host(const struct hosts *hosts, const char *name)
{
    for (struct hash_entry *entry = hash_find(&hosts->by_name, hash_folded(HASH_START, name));
         entry; entry = hash_next(entry)) {
        struct host_record *host = container_of(entry, struct host_record, entry);

        if (!strcasecmp(host->name, name))
            return host;
    }
    return NULL;
}

static void forget_path(struct hosts *hosts, struct host_path *path)
{
    struct host_reach *reach = path->reach;

    list_remove(&path->link);
    hash_remove(&hosts->paths, &path->entry);
    if (!--reach->paths) {
        hash_remove(&hosts->reaches, &reach->entry);
        free(reach->target);
        free(reach);
    }
    free(path->floating_ip);
    free(path->portal);
    free(path->peer);
    free(path->redirected_to);
    free(path->reason);
    free(path);
}

static void forget_paths(struct hosts *hosts, struct list *paths)
{
    while (!list_is_empty(paths))
        forget_path(hosts, container_of(list_first(paths), struct host_path, link));
}

static void forget_host(struct hosts *hosts, struct host_record *host)
{
    forget_paths(hosts, &host->open);
    forget_paths(hosts, &host->past);
    for (size_t i = 0; i < HOST_RETURNS_MAX; i++) {
        free(host->returns[i].target);
        free(host->returns[i].reason);
    }
    list_remove(&host->link);
    hash_remove(&hosts->by_name, &host->entry);
    hosts->count--;
    json_decref(host->functions);
    free(host->offered);
    free(host->name);
    free(host);
}

/* Of those without a session, the one that was silent longest. */
static void make_room(struct hosts *hosts)
{
    LIST_FOR_EACH (link, &hosts->all) {
        struct host_record *host = container_of(link, struct host_record, link);

        if (list_is_empty(&host->open)) {
            forget_host(hosts, host);
            return;
        }
    }
}

static struct host_record *add_host(struct hosts *hosts, const char *name, double now)
{
    struct host_record *host = memory_new(sizeof(*host));

    if (hosts->count >= HOSTS_MAX)
        make_room(hosts);
    host->name = memory_copy_text(name);
    host->first_seen = now;
    host->functions = json_object();
    host->cadence_ms = host->nop_period_ms = -1;
    list_init(&host->link);
    list_init(&host->open);
    list_init(&host->past);
    hash_add(&hosts->by_name, &host->entry, hash_folded(HASH_START, name));
    hosts->count++;
    return host;
}

struct host_record *hosts_get(struct hosts *hosts, const char *name, double now)
{
    struct host_record *host = find_host(hosts, name);

    if (!host)
        host = add_host(hosts, name, now);
    host->last_seen = now;
    list_remove(&host->link);
    list_append(&hosts->all, &host->link);
    return host;
}

void hosts_free(struct hosts *hosts)
{
    while (!list_is_empty(&hosts->all))
        forget_host(hosts, container_of(list_first(&hosts->all), struct host_record, link));
    hash_free(&hosts->by_name);
    hash_free(&hosts->paths);
    hash_free(&hosts->reaches);
}

/* ---- paths ---- */

struct host_path *hosts_find_path(const struct hosts *hosts, const char *name, const char *target,
                                  const char *isid)
{
    for (struct hash_entry *entry = hash_find(&hosts->paths, code_of_path(name, target, isid));
         entry; entry = hash_next(entry)) {
        struct host_path *path = container_of(entry, struct host_path, entry);

        if (!strcmp(path->isid, isid) && !strcasecmp(path->reach->target, target) &&
            !strcasecmp(path->reach->host->name, name))
            return path;
    }
    return NULL;
}

static struct host_reach *get_reach(struct hosts *hosts, struct host_record *host,
                                    const char *target)
{
    uint64_t code = code_of_reach(host->name, target);
    struct host_reach *reach;

    for (struct hash_entry *entry = hash_find(&hosts->reaches, code); entry;
         entry = hash_next(entry)) {
        reach = container_of(entry, struct host_reach, entry);
        if (reach->host == host && !strcasecmp(reach->target, target))
            return reach;
    }
    reach = memory_new(sizeof(*reach));
    reach->host = host;
    reach->target = memory_copy_text(target);
    hash_add(&hosts->reaches, &reach->entry, code);
    return reach;
}

/* The path that was just put into the past is its last. */
static void limit_past(struct hosts *hosts, struct host_record *host)
{
    if (++host->past_count <= HOST_PAST_PATHS_MAX)
        return;
    host->past_count--;
    forget_path(hosts, container_of(list_first(&host->past), struct host_path, link));
}

struct host_path *hosts_get_path(struct hosts *hosts, struct host_record *host, const char *target,
                                 const char *isid)
{
    struct host_path *path = hosts_find_path(hosts, host->name, target, isid);

    if (path)
        return path;
    path = memory_new(sizeof(*path));
    path->reach = get_reach(hosts, host, target);
    path->reach->paths++;
    path->last_nop_period_ms = -1;
    snprintf(path->isid, sizeof(path->isid), "%s", isid);
    hash_add(&hosts->paths, &path->entry, code_of_path(host->name, target, path->isid));
    list_append(&host->past, &path->link);
    limit_past(hosts, host);
    return path;
}

static void open_path(struct host_path *path)
{
    struct host_reach *reach = path->reach;

    reach->host->past_count--;
    list_remove(&path->link);
    list_append(&reach->host->open, &path->link);
    if (++reach->open > reach->most)
        reach->most = reach->open;
}

static void close_path(struct hosts *hosts, struct host_path *path)
{
    struct host_record *host = path->reach->host;

    path->reach->open--;
    host->nops += path->nops;
    path->nops = 0;
    list_remove(&path->link);
    list_append(&host->past, &path->link);
    limit_past(hosts, host);
}

void hosts_move_path(struct hosts *hosts, struct host_path *path, enum host_path_state state)
{
    enum host_path_state was = path->state;

    path->state = state;
    if (state == HOST_PATH_OPEN && was != HOST_PATH_OPEN)
        open_path(path);
    else if (was == HOST_PATH_OPEN && state != HOST_PATH_OPEN)
        close_path(hosts, path);
}

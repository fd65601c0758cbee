#include "sim-cluster/belongings.h"

#include "sim-cluster/namespace.h"
#include "sim-cluster/netlink.h"
#include "sim-cluster/state_directory.h"
#include "target/base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAC_TEXT_SIZE = 18 };

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

/* ---- the file ---- */

/* Takes the row. */
static void append(struct belongings *belongings, char *row)
{
    size_t length = strlen(row);

    belongings->rows = memory_resize(belongings->rows, belongings->length + length + 1);
    memcpy(belongings->rows + belongings->length, row, length + 1);
    belongings->length += length;
    free(row);
}

void belongings_add_namespace(struct belongings *belongings, const char *name)
{
    append(belongings, memory_format("namespace %s\n", name));
}

static void format_mac(char text[static MAC_TEXT_SIZE], const uint8_t mac[static 6])
{
    snprintf(text, MAC_TEXT_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
             mac[4], mac[5]);
}

void belongings_add_link(struct belongings *belongings, const char *name, const uint8_t *mac)
{
    char text[MAC_TEXT_SIZE] = "";

    if (mac)
        format_mac(text, mac);
    append(belongings, memory_format("link %s%s%s\n", name, mac ? " " : "", text));
}

void belongings_add_address(struct belongings *belongings, const char *link,
                            const struct subnet *address)
{
    char host[ADDRESS_TEXT_SIZE];

    append(belongings,
           memory_format("address %s %s/%d\n", link, address_format_host(&address->address, host),
                         address->prefix));
}

/* A machine that has started again has nothing of ours left. */
static void read_boot(char boot[static 64])
{
    int file = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? 0 : read(file, boot, 63);

    boot[length > 0 ? length : 0] = '\0';
    boot[strcspn(boot, "\n")] = '\0';
    if (file >= 0)
        close(file);
}

int belongings_write(struct belongings *belongings, const char *directory)
{
    char *path = state_directory_file(directory, "network"), boot[64];
    FILE *file = fopen(path, "we");
    int error = file ? 0 : -errno;

    read_boot(boot);
    if (file) {
        fprintf(file, "boot %s %lu\n%s", boot, namespace_number(),
                belongings->rows ? belongings->rows : "");
        error = fclose(file) ? -errno : 0;
    }
    free(path);
    free(belongings->rows);
    *belongings = (struct belongings){0};
    return error;
}

char *belongings_mark(const char *directory)
{
    return memory_format("sim-cluster %s", directory);
}

/* ---- removal ---- */

static int open_netlink(int space, struct netlink **netlink)
{
    int back = namespace_enter(space), error;

    if (back < 0)
        return back;
    error = netlink_open(netlink);
    namespace_leave(back);
    return error;
}

static int empty_namespace(int space, const char *mark)
{
    struct netlink *netlink;
    struct link_state loopback;
    int error = open_netlink(space, &netlink);

    if (error)
        return error;
    error = netlink_find_link(netlink, "lo", &loopback);
    if (!error && strcmp(loopback.alias, mark))
        error = -EEXIST;
    if (!error)
        netlink_delete_links(netlink);
    netlink_close(netlink);
    return error;
}

int belongings_remove_namespace(const char *name, const char *mark)
{
    int space = namespace_open(name), error = 0;

    if (space < 0 && space != -EINVAL)
        return space;
    if (space >= 0) {
        error = empty_namespace(space, mark);
        close(space);
    }
    return error ? error : namespace_remove_name(name);
}

struct removal {
    struct netlink *netlink; /* owned: of the namespace the run was in; NULL: not to be had */
    int error;               /* why: -ENODEV when it is gone, with all that was in it */
    char *mark;              /* owned */
};

static int remove_namespace(struct removal *removal, const char *name, const char *rest)
{
    (void)rest;
    return belongings_remove_namespace(name, removal->mark);
}

/* The mark comes a moment after the link itself. */
static bool is_ours(const struct removal *removal, const struct link_state *link, const char *mac)
{
    char text[MAC_TEXT_SIZE];

    format_mac(text, link->mac);
    return !strcmp(link->alias, removal->mark) || (!*link->alias && !strcmp(text, mac));
}

static int remove_link(struct removal *removal, const char *name, const char *mac)
{
    struct link_state link;
    int error =
        removal->netlink ? netlink_find_link(removal->netlink, name, &link) : removal->error;

    if (error)
        return error;
    return is_ours(removal, &link, mac) ? netlink_delete_link(removal->netlink, link.index)
                                        : -EEXIST;
}

static int remove_address(struct removal *removal, const char *name, const char *address)
{
    struct link_state link;
    struct subnet subnet;
    int error =
        removal->netlink ? netlink_find_link(removal->netlink, name, &link) : removal->error;

    if (error || !subnet_parse(&subnet, address))
        return error ? error : -ENOENT;
    return netlink_remove_address(removal->netlink, link.index, &subnet);
}

/* What is not there, or is not ours, is no trouble. */
static bool is_trouble(int error)
{
    return error && error != -ENOENT && error != -ENODEV && error != -EADDRNOTAVAIL &&
           error != -EEXIST;
}

static int remove_row(struct removal *removal, const char *row)
{
    static const struct {
        const char *kind;
        int (*remove)(struct removal *removal, const char *name, const char *rest);
    } kinds[] = {
        {"namespace", remove_namespace},
        {"link", remove_link},
        {"address", remove_address},
    };
    char kind[16], name[256], rest[128] = "";

    if (sscanf(row, "%15s %255s %127s", kind, name, rest) < 2)
        return -ENOENT;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        if (!strcmp(kinds[i].kind, kind))
            return kinds[i].remove(removal, name, rest);
    return -ENOENT;
}

static char *remove_rows(FILE *file, struct removal *removal, belongings_removed *on_removed,
                         void *owner)
{
    char row[512], *wrong = NULL;

    while (fgets(row, sizeof(row), file)) {
        int error = remove_row(removal, row);

        row[strcspn(row, "\n")] = '\0';
        if (!error && on_removed)
            on_removed(owner, row);
        if (is_trouble(error) && !wrong)
            wrong = memory_format("%s, which an earlier run has left behind, cannot be removed: "
                                  "%s; \"sim-cluster cleanup\" as root removes it",
                                  row, strerror(-error));
    }
    return wrong;
}

static int find_netlink(unsigned long number, struct netlink **netlink)
{
    int space, error;

    if (number == namespace_number()) /* needs no privilege */
        return netlink_open(netlink);
    space = namespace_find(number);
    if (space < 0)
        return -ENODEV;
    error = open_netlink(space, netlink);
    close(space);
    return error;
}

/* false: of another boot, there is nothing left. Links are removed in the namespace they are in,
 * from wherever it is done. */
static bool begin_removal(FILE *file, struct removal *removal)
{
    char row[128], boot[64], was[64];
    unsigned long number;

    read_boot(boot);
    if (!fgets(row, sizeof(row), file) || sscanf(row, "boot %63s %lu", was, &number) != 2 ||
        strcmp(was, boot))
        return false;
    removal->error = find_netlink(number, &removal->netlink);
    return true;
}

char *belongings_remove(const char *directory, belongings_removed *on_removed, void *owner)
{
    char *path = state_directory_file(directory, "network"), *wrong = NULL;
    FILE *file = fopen(path, "re");
    struct removal removal = {.mark = belongings_mark(directory)};

    if (file && begin_removal(file, &removal))
        wrong = remove_rows(file, &removal, on_removed, owner);
    if (file)
        fclose(file);
    if (file && !wrong)
        unlink(path);
    netlink_close(removal.netlink);
    free(removal.mark);
    free(path);
    return wrong;
}

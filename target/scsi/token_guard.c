#include "target/scsi/token_guard.h"

#include "target/base/memory.h"
#include "target/scsi/unit.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct guarded {
    struct list link;
    struct token_guard *guard; /* parent: outlives us */
    struct token token;
    struct token_request request;
    bool is_revoking;
    struct list delayed; /* of struct order_item: changes that wait until it is revoked */
};

static bool is_over(const struct token *token, double now)
{
    return now > (double)token->created_s + TOKEN_LIFETIME;
}

static bool has(const struct token *token, const struct disk_io *io)
{
    for (unsigned i = 0; i < token->range_count; i++) {
        uint64_t start = token->ranges[i].lba * token->block_size;
        uint64_t end = start + token->ranges[i].blocks * token->block_size;

        if (start < io->offset + io->length && io->offset < end)
            return true;
    }
    return false;
}

static struct guarded *find(const struct token_guard *guard, const struct disk_io *io)
{
    LIST_FOR_EACH (link, &guard->tokens) {
        struct guarded *guarded = container_of(link, struct guarded, link);

        if (has(&guarded->token, io))
            return guarded;
    }
    return NULL;
}

static bool wants(struct order_watch *watch, const struct disk_io *change)
{
    return find(container_of(watch, struct token_guard, watch), change);
}

static void forget(struct guarded *guarded)
{
    struct token_guard *guard = guarded->guard;

    list_remove(&guarded->link);
    free(guarded);
    if (--guard->count == 0)
        guard->lun->order.watch = NULL;
}

static void on_revoked(struct token_request *request)
{
    struct guarded *guarded = container_of(request, struct guarded, request);
    struct scsi_lun *lun = guarded->guard->lun;
    int error = request->error == -ENOENT ? 0 : request->error;
    struct list delayed, *link;

    list_init(&delayed);
    while ((link = list_first(&guarded->delayed))) {
        list_remove(link);
        list_append(&delayed, link);
    }
    guarded->is_revoking = false;
    if (!error)
        forget(guarded);
    while ((link = list_first(&delayed))) {
        struct order_item *item = container_of(link, struct order_item, link);

        list_remove(link);
        item->io.error = error;
        if (error)
            item->done(item);
        else
            order_start(&lun->order, item);
    }
    lun_return(lun);
}

static void start_revoking(struct guarded *guarded)
{
    struct scsi_peers *peers = guarded->guard->lun->peers;

    lun_borrow(guarded->guard->lun);
    guarded->is_revoking = true;
    guarded->request = (struct token_request){
        .operation = TOKEN_REVOKE, .number = guarded->token.number, .done = on_revoked};
    memcpy(guarded->request.naa, guarded->token.naa, SCSI_NAA_SIZE);
    peers->keep_token(peers, &guarded->request);
}

static void delay(struct order_watch *watch, struct order_item *item)
{
    struct token_guard *guard = container_of(watch, struct token_guard, watch);
    struct guarded *guarded = find(guard, &item->io);

    list_append(&guarded->delayed, &item->link);
    if (!guarded->is_revoking)
        start_revoking(guarded);
}

void token_guard_init(struct token_guard *guard, struct scsi_lun *lun)
{
    guard->watch = (struct order_watch){wants, delay};
    guard->lun = lun;
    list_init(&guard->tokens);
    guard->count = 0;
}

void token_guard_close(struct token_guard *guard)
{
    LIST_FOR_EACH_SAFE (link, &guard->tokens)
        forget(container_of(link, struct guarded, link));
}

/* Makes room: those that nobody can use any more are forgotten, else the oldest one is revoked. */
static void make_room(struct token_guard *guard)
{
    struct guarded *oldest = NULL;

    LIST_FOR_EACH_SAFE (link, &guard->tokens) {
        struct guarded *guarded = container_of(link, struct guarded, link);

        if (guarded->is_revoking)
            continue;
        if (is_over(&guarded->token, ev_time()))
            forget(guarded);
        else if (!oldest)
            oldest = guarded;
    }
    if (oldest && guard->count >= TOKENS_MAXIMUM)
        start_revoking(oldest);
}

void token_guard_add(struct token_guard *guard, const struct token *token)
{
    struct guarded *guarded = memory_new(sizeof *guarded);

    make_room(guard);
    guarded->guard = guard;
    guarded->token = *token;
    list_init(&guarded->delayed);
    list_append(&guard->tokens, &guarded->link);
    guard->count++;
    guard->lun->order.watch = &guard->watch;
}

bool token_guard_has(const struct token_guard *guard, const struct token *token)
{
    LIST_FOR_EACH (link, &guard->tokens) {
        const struct guarded *guarded = container_of(link, struct guarded, link);

        if (guarded->token.number == token->number)
            return !guarded->is_revoking;
    }
    return false;
}

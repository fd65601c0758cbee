#include "target/base/fault.h"

#include "target/base/memory.h"

#include <errno.h>
#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

uint64_t fault_random(struct fault_rule *rule)
{
    uint64_t draws = atomic_fetch_add(&rule->counts->draws, 1) + 1;
    uint64_t bits = rule->seed + draws * 0x9e3779b97f4a7c15; /* SplitMix64 */

    bits = (bits ^ bits >> 30) * 0xbf58476d1ce4e5b9;
    bits = (bits ^ bits >> 27) * 0x94d049bb133111eb;
    return bits ^ bits >> 31;
}

/* In [0, 1). */
static double fraction(struct fault_rule *rule)
{
    return (double)(fault_random(rule) >> 11) / 9007199254740992.0;
}

const struct fault_value *fault_parameter(const struct fault_rule *rule, const char *name)
{
    int i = 0;

    while (strcmp(rule->kind->parameters[i].name, name))
        i++;
    return &rule->values[FAULT_KEYS + i];
}

double fault_delay_ms(struct fault_rule *rule)
{
    const struct fault_value *time = fault_parameter(rule, "time"),
                             *to = fault_parameter(rule, "to"),
                             *deviation = fault_parameter(rule, "deviation");
    double delay = (double)time->number;

    if (to->is_given)
        delay += ((double)to->number - delay) * fraction(rule);
    if (deviation->is_given) {
        double sum = 0;

        for (int i = 0; i < 12; i++) /* the sum of twelve even ones is as good as normal */
            sum += fraction(rule);
        delay += (sum - 6) * (double)deviation->number;
    }
    return delay > 0 ? delay : 0;
}

bool fault_is_same(const struct fault_rule *a, const struct fault_rule *b)
{
    if (a->kind != b->kind || a->is_enabled != b->is_enabled || a->slot != b->slot ||
        a->after_slot != b->after_slot)
        return false;
    for (int i = 0; i < FAULT_KEYS + FAULT_PARAMETERS; i++) {
        const char *x = a->values[i].text, *y = b->values[i].text;

        if (a->values[i].is_given != b->values[i].is_given || (x && y && strcmp(x, y)))
            return false;
    }
    return true;
}

static bool is_text(const struct fault_value *value, const char *text)
{
    return text && !fnmatch(value->text, text, FNM_CASEFOLD);
}

/* "address" or "address:port" against "address:port". */
static bool is_portal(const struct fault_value *value, const char *portal)
{
    size_t length = strlen(value->text);

    return portal && !strncasecmp(value->text, portal, length) &&
           (!portal[length] || portal[length] == ':');
}

static bool is_command(const struct fault_value *value, int command)
{
    int64_t action = value->number >> 8;

    return command >= 0 && (command & 0xff) == (value->number & 0xff) &&
           (action == FAULT_ANY_ACTION || action == command >> 8);
}

static bool is_within(const struct fault_value *value, int64_t first, int64_t count)
{
    return first >= 0 && first <= value->last && first + count > value->number;
}

static bool is_peer(const struct fault_value *value, const struct address *peer)
{
    struct subnet subnet;

    return peer && subnet_parse(&subnet, value->text) && subnet_contains(&subnet, peer);
}

static bool holds(enum fault_key_index key, const struct fault_value *value,
                  const struct fault_point *point)
{
    switch (key) {
    case FAULT_KEY_NODE:
        return value->number == point->node;
    case FAULT_KEY_PORTAL_GROUP:
        return point->portal_group && !strcmp(value->text, point->portal_group);
    case FAULT_KEY_PORTAL:
        return is_portal(value, point->portal);
    case FAULT_KEY_INITIATOR:
        return is_text(value, point->initiator);
    case FAULT_KEY_SESSION:
        return value->number == point->session;
    case FAULT_KEY_DIRECTION:
        return value->number == point->direction;
    case FAULT_KEY_PDU:
        return value->number == point->pdu;
    case FAULT_KEY_COMMAND:
        return is_command(value, point->command);
    case FAULT_KEY_VOLUME:
        return point->volume && !strcmp(value->text, point->volume);
    case FAULT_KEY_NETWORK:
        return point->network && !strcmp(value->text, point->network);
    case FAULT_KEY_PEER:
        return is_peer(value, point->peer);
    case FAULT_KEY_LBA:
        return is_within(value, point->lba, point->blocks);
    case FAULT_KEY_SIZE:
        return point->size >= value->number && point->size <= value->last;
    default:
        return true; /* how often, not where */
    }
}

bool fault_matches(const struct fault_rule *rule, const struct fault_point *point)
{
    if (!rule->is_enabled || rule->kind->where != point->where)
        return false;
    for (int key = 0; key < FAULT_KEYS; key++)
        if (rule->values[key].is_given &&
            !holds((enum fault_key_index)key, &rule->values[key], point))
            return false;
    return !point->accepts || point->accepts(rule, point->what);
}

bool fault_is_over(const struct fault_rule *rule, double now)
{
    const struct fault_value *count = &rule->values[FAULT_KEY_COUNT],
                             *time = &rule->values[FAULT_KEY_FOR];

    return (count->is_given && fault_hits(rule) >= (uint64_t)count->number) ||
           (time->is_given && now - rule->since >= (double)time->number / 1000);
}

uint64_t fault_hits(const struct fault_rule *rule)
{
    return atomic_load_explicit(&rule->counts->hits, memory_order_relaxed);
}

double fault_last_hit(const struct fault_rule *rule)
{
    return (double)atomic_load_explicit(&rule->counts->last_hit_us, memory_order_relaxed) / 1e6;
}

/* One of the strikes that `count` allows; false: others have taken the last. */
static bool take_hit(const struct fault_rule *rule)
{
    const struct fault_value *count = &rule->values[FAULT_KEY_COUNT];
    uint64_t hits = atomic_load(&rule->counts->hits);

    do {
        if (count->is_given && hits >= (uint64_t)count->number)
            return false;
    } while (!atomic_compare_exchange_weak(&rule->counts->hits, &hits, hits + 1));
    return true;
}

/* By skip and every, the how-manieth place this is. */
static bool is_turn(const struct fault_rule *rule)
{
    const struct fault_value *skip = &rule->values[FAULT_KEY_SKIP],
                             *every = &rule->values[FAULT_KEY_EVERY];
    uint64_t seen = atomic_fetch_add(&rule->counts->seen, 1) + 1;
    uint64_t first = skip->is_given ? (uint64_t)skip->number : 0;

    return seen > first && (!every->is_given || !((seen - first) % (uint64_t)every->number));
}

bool fault_strikes(struct fault_rule *rule, double now)
{
    const struct fault_value *chance = &rule->values[FAULT_KEY_PROBABILITY];

    if (fault_is_over(rule, now) || !is_turn(rule) ||
        (chance->is_given && fraction(rule) * 1e6 >= (double)chance->number) || !take_hit(rule))
        return false;
    atomic_store(&rule->counts->last_hit_us, (uint64_t)(now * 1e6));
    return true;
}

void fault_free(struct fault_rule *rule)
{
    if (!rule)
        return;
    for (int i = 0; i < FAULT_KEYS + FAULT_PARAMETERS; i++)
        free(rule->values[i].text);
    free(rule->id);
    free(rule);
}

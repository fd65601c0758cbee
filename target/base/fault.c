#include "target/base/fault.h"

#include "target/base/memory.h"

#include <errno.h>
#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

uint64_t fault_random(struct fault_rule *rule)
{
    uint64_t bits = rule->random += 0x9e3779b97f4a7c15; /* SplitMix64 */

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
    if (a->kind != b->kind || a->is_enabled != b->is_enabled)
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

    return (count->is_given && rule->hits >= (uint64_t)count->number) ||
           (time->is_given && now - rule->since >= (double)time->number / 1000);
}

bool fault_strikes(struct fault_rule *rule, double now)
{
    const struct fault_value *values = rule->values;
    uint64_t skip = values[FAULT_KEY_SKIP].is_given ? (uint64_t)values[FAULT_KEY_SKIP].number : 0;
    uint64_t every =
        values[FAULT_KEY_EVERY].is_given ? (uint64_t)values[FAULT_KEY_EVERY].number : 1;

    if (fault_is_over(rule, now) || ++rule->seen <= skip || (rule->seen - skip) % every)
        return false;
    if (values[FAULT_KEY_PROBABILITY].is_given &&
        fraction(rule) * 1e6 >= (double)values[FAULT_KEY_PROBABILITY].number)
        return false;
    rule->hits++;
    rule->last_hit = now;
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

#include "sim-cluster/config_keys.h"

#include "sim-cluster/cluster_config.h"
#include "sim-cluster/config_networks.h"
#include "target/base/config.h"
#include "target/base/fault.h"
#include "target/base/memory.h"

#include <ctype.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IN(type, field) offsetof(struct type, field)

enum { SECRET_MIN = 12 };

const char *const redirect_when_names[] = {"after_auth", "before_auth", NULL};
const char *const redirect_status_names[] = {"temporary", "permanent", NULL};
const char *const discovery_chap_names[] = {"offered", "required", NULL};
const char *const alua_names[] = {"off", "implicit", "explicit", NULL};
const char *const alua_state_names[] = {"optimized",   "non_optimized", "standby",
                                        "unavailable", "transitioning", NULL};
static const char *const zero_copy_names[] = {"off", "on", NULL};
static const char *const network_names[] = {"loopback", "netns", "host", NULL};

/* Names that go into files, tables and IQNs. */
static bool is_plain_name(const char *name)
{
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("_-.:", *c))
            return false;
    return *name && *name != '.' && strlen(name) < 200;
}

/* RFC 7143 4.2.7: iqn., eui. or naa. */
static bool is_iscsi_name(const char *name)
{
    bool is_iqn = !strncmp(name, "iqn.", 4);

    if (strlen(name) > CLUSTER_ISCSI_NAME_MAX || strlen(name) < 5 ||
        (!is_iqn && strncmp(name, "eui.", 4) && strncmp(name, "naa.", 4)))
        return false;
    for (const char *c = name + 4; *c; c++)
        if (is_iqn
                ? !islower((unsigned char)*c) && !isdigit((unsigned char)*c) && !strchr("-.:", *c)
                : !isxdigit((unsigned char)*c))
            return false;
    return true;
}

static char *parse_plain_name(void *field, const char *value, const struct config_key *key,
                              int line)
{
    if (!is_plain_name(value))
        return memory_copy_text("may hold letters, digits and _ - . : only");
    return config_parse_text(field, value, key, line);
}

static char *parse_base_name(void *field, const char *value, const struct config_key *key, int line)
{
    int year, month, used = 0;

    if (!is_iscsi_name(value) || sscanf(value, "iqn.%4d-%2d.%n", &year, &month, &used) != 2 ||
        used != 12 || !value[used] || month < 1 || month > 12)
        return memory_copy_text("must be an IQN: iqn.YYYY-MM.reversed.domain[:name]");
    return config_parse_text(field, value, key, line);
}

static char *parse_user(void *field, const char *value, const struct config_key *key, int line)
{
    if (!getpwnam(value))
        return memory_copy_text("must be a user of this machine");
    return config_parse_text(field, value, key, line);
}

static char *parse_block_size(void *field, const char *value, const struct config_key *key,
                              int line)
{
    char *wrong = config_parse_number(field, value, key, line);

    if (wrong || (*(int *)field != 512 && *(int *)field != 4096)) {
        free(wrong);
        return memory_copy_text("must be 512 or 4096");
    }
    return NULL;
}

/* "127.0.1.100/24"; with a port when it is not 3260: "127.0.1.100:3261/24". */
static char *parse_floating_ip(void *field, const char *value, const struct config_key *key,
                               int line)
{
    (void)key;
    struct portal_group_config *group = field;
    struct floating_ip_config *floating =
        config_append(&group->floating_ips, &group->floating_ip_count, sizeof(*floating));
    const char *slash = strchr(value, '/');
    char *host = memory_format("%.*s", slash ? (int)(slash - value) : (int)strlen(value), value);
    bool is_good =
        address_parse(&floating->subnet.address, host, ISCSI_PORT) && floating->subnet.address.port;
    char *end = NULL;
    unsigned long most = floating->subnet.address.is_ipv6 ? 128 : 32;
    unsigned long prefix = slash ? strtoul(slash + 1, &end, 10) : most;

    free(host);
    floating->line = line;
    floating->subnet.prefix = (uint8_t)prefix;
    if (!is_good || prefix > most || (slash && (!isdigit((unsigned char)slash[1]) || *end)))
        return memory_copy_text("must be ADDRESS/PREFIX, for instance 127.0.1.100/24");
    return NULL;
}

/* "127.0.1.1:3260 poc" */
static char *parse_portal(void *field, const char *value, const struct config_key *key, int line)
{
    (void)key;
    struct node_config *node = field;
    struct portal_config *portal =
        config_append(&node->portals, &node->portal_count, sizeof(*portal));
    size_t length = strcspn(value, " \t");
    const char *group = value + length + strspn(value + length, " \t");
    char *address = memory_format("%.*s", (int)length, value);
    bool is_good =
        address_parse(&portal->address, address, ISCSI_PORT) && portal->address.port && *group;

    free(address);
    portal->line = line;
    portal->group = memory_copy_text(group);
    return is_good ? NULL : memory_copy_text("must be ADDRESS[:PORT] PORTAL_GROUP");
}

static char *parse_net(void *field, const char *value, const struct config_key *key, int line)
{
    (void)key, (void)line;
    struct initiator_config *initiator = field;
    struct subnet *net = config_append(&initiator->nets, &initiator->net_count, sizeof(*net));

    return subnet_parse(net, value)
               ? NULL
               : memory_copy_text("must be ADDRESS/PREFIX, for instance 10.0.0.0/8");
}

static char *parse_chap(void *field, const char *value, const struct config_key *key, int line)
{
    (void)key, (void)line;
    struct chap_config *chap = field;
    size_t length = strcspn(value, " \t");
    const char *secret = value + length + strspn(value + length, " \t");

    if (!*secret)
        return memory_copy_text("must be USER SECRET");
    if (strlen(secret) < SECRET_MIN) /* RFC 7143 12.1.3: 96 bits */
        return memory_format("the secret must have %d bytes or more", SECRET_MIN);
    chap->user = memory_format("%.*s", (int)length, value);
    chap->secret = memory_copy_text(secret);
    return NULL;
}

static char *append_name(struct name_config **names, size_t *count, const char *value, int line)
{
    struct name_config *name;

    for (size_t i = 0; i < *count; i++)
        if (!strcmp((*names)[i].name, value))
            return memory_copy_text("is given twice");
    name = config_append(names, count, sizeof(*name));
    name->name = memory_copy_text(value);
    name->line = line;
    return NULL;
}

static char *parse_export_group(void *field, const char *value, const struct config_key *key,
                                int line)
{
    (void)key;
    struct export_config *export = field;

    return append_name(&export->portal_groups, &export->portal_group_count, value, line);
}

static char *parse_export_initiator(void *field, const char *value, const struct config_key *key,
                                    int line)
{
    (void)key;
    struct export_config *export = field;

    return append_name(&export->initiators, &export->initiator_count, value, line);
}

static char *begin_cluster(void *owner, const char *name, int line, void **object)
{
    (void)name;
    ((struct cluster_config *)owner)->line = line;
    *object = owner;
    return NULL;
}

static char *begin_portal_group(void *owner, const char *name, int line, void **object)
{
    struct cluster_config *config = owner;
    struct portal_group_config *group =
        config_append(&config->portal_groups, &config->portal_group_count, sizeof(*group));

    group->name = memory_copy_text(name);
    group->line = line;
    *object = group;
    if (config->portal_group_count > CLUSTER_PORTAL_GROUPS_MAX)
        return memory_format("more than %d portal groups", CLUSTER_PORTAL_GROUPS_MAX);
    return is_plain_name(name)
               ? NULL
               : memory_copy_text(
                     "a portal group's name may hold letters, digits and _ - . : only");
}

static char *begin_node(void *owner, const char *name, int line, void **object)
{
    static const struct config_key number = {.least = 1, .most = CLUSTER_NODE_NUMBER_MAX};
    struct cluster_config *config = owner;
    struct node_config *node = config_append(&config->nodes, &config->node_count, sizeof(*node));
    char *wrong = config_parse_number(&node->number, name, &number, line);
    char *phrase = wrong ? memory_format("[node %s]: a node's number %s", name, wrong) : NULL;

    node->line = line;
    *object = node;
    free(wrong);
    for (size_t i = 0; i + 1 < config->node_count && !phrase; i++)
        if (config->nodes[i].number == node->number)
            phrase = memory_format("[node %d] is given twice", node->number);
    if (!phrase && config->node_count > CLUSTER_NODES_MAX)
        phrase = memory_format("more than %d nodes", CLUSTER_NODES_MAX);
    return phrase;
}

static char *begin_pool(void *owner, const char *name, int line, void **object)
{
    struct cluster_config *config = owner;
    struct pool_config *pool = config_append(&config->pools, &config->pool_count, sizeof(*pool));

    pool->name = memory_copy_text(name);
    pool->line = line;
    *object = pool;
    return is_plain_name(name)
               ? NULL
               : memory_copy_text("a pool's name may hold letters, digits and _ - . : only");
}

static char *begin_volume(void *owner, const char *name, int line, void **object)
{
    struct cluster_config *config = owner;
    struct volume_config *volume =
        config_append(&config->volumes, &config->volume_count, sizeof(*volume));

    *volume = (struct volume_config){
        .name = memory_copy_text(name), .line = line, .block_size = 512, .is_thin = true};
    *object = volume;
    return is_plain_name(name)
               ? NULL
               : memory_copy_text("a volume's name may hold letters, digits and _ - . : only");
}

static char *begin_initiator(void *owner, const char *name, int line, void **object)
{
    struct cluster_config *config = owner;
    struct initiator_config *initiator =
        config_append(&config->initiators, &config->initiator_count, sizeof(*initiator));

    initiator->name = memory_copy_text(name);
    initiator->line = line;
    *object = initiator;
    return !strcmp(name, "*") || is_iscsi_name(name)
               ? NULL
               : memory_format("[initiator %s]: must be an iSCSI name in lower case, or *", name);
}

static char *begin_export(void *owner, const char *name, int line, void **object)
{
    struct cluster_config *config = owner;
    struct export_config *export =
        config_append(&config->exports, &config->export_count, sizeof(*export));

    export->volume = memory_copy_text(name);
    export->line = line;
    *object = export;
    return NULL;
}

static char *begin_fault(void *owner, const char *name, int line, void **object)
{
    struct cluster_config *config = owner;
    struct fault_config *fault =
        config_append(&config->faults, &config->fault_count, sizeof(*fault));

    *fault = (struct fault_config){memory_copy_text(name), line};
    *object = fault;
    return NULL;
}

/* The id is the section's name. */
static char *parse_rule(void *field, const char *value, const struct config_key *key, int line)
{
    (void)key, (void)line;
    struct fault_config *fault = field;
    char *whole = memory_format("%s id=%s", value, fault->rule), *wrong = NULL;

    fault_free(fault_parse_text(whole, &wrong));
    free(fault->rule);
    fault->rule = whole;
    return wrong;
}

static const struct config_section sections[] = {
    {"cluster", false, begin_cluster},
    {"network", true, config_begin_network},
    {"portal_group", true, begin_portal_group},
    {"node", true, begin_node},
    {"pool", true, begin_pool},
    {"volume", true, begin_volume},
    {"initiator", true, begin_initiator},
    {"export", true, begin_export},
    {"fault", true, begin_fault},
    {0},
};

/* clang-format off */
static const struct config_key keys[] = {
    { "cluster",      "name",                  parse_plain_name,       IN(cluster_config, name), .repeats = false },
    { "cluster",      "base_name",             parse_base_name,        IN(cluster_config, base_name), .repeats = false },
    { "cluster",      "network",               config_parse_choice,    IN(cluster_config, network), .words = network_names },
    { "cluster",      "interface",             config_parse_text,      IN(cluster_config, interface), .repeats = false },
    { "cluster",      "node_timeout_ms",       config_parse_number,    IN(cluster_config, node_timeout_ms), .least = 100, .most = 600000 },
    { "cluster",      "detect_delay_ms",       config_parse_number,    IN(cluster_config, detect_delay_ms), .least = 0, .most = 600000 },
    { "cluster",      "target_move_delay_ms",  config_parse_number,    IN(cluster_config, target_move_delay_ms), .least = 0, .most = 600000 },
    { "cluster",      "floating_move_delay_ms", config_parse_number,   IN(cluster_config, floating_move_delay_ms), .least = 0, .most = 600000 },
    { "cluster",      "drain_timeout_ms",      config_parse_number,    IN(cluster_config, drain_timeout_ms), .least = 0, .most = 600000 },
    { "cluster",      "failback_s",            config_parse_number,    IN(cluster_config, failback_s), .least = 0, .most = 86400 },
    { "cluster",      "login_timeout_s",       config_parse_number,    IN(cluster_config, login_timeout_s), .least = 1, .most = 3600 },
    { "cluster",      "nop_interval_s",        config_parse_number,    IN(cluster_config, nop_interval_s), .least = 0, .most = 3600 },
    { "cluster",      "nop_timeout_s",         config_parse_number,    IN(cluster_config, nop_timeout_s), .least = 1, .most = 3600 },
    { "cluster",      "queue_depth",           config_parse_number,    IN(cluster_config, queue_depth), .least = 1, .most = 1024 },
    { "cluster",      "io_threads",            config_parse_number,    IN(cluster_config, io_threads), .least = 1, .most = 64 },
    { "cluster",      "zero_copy",             config_parse_choice,    IN(cluster_config, has_zero_copy), .words = zero_copy_names },
    { "cluster",      "spin_us",               config_parse_number,    IN(cluster_config, spin_us), .least = 0, .most = 1000000 },
    { "cluster",      "user",                  parse_user,             IN(cluster_config, user), .repeats = false },
    { "cluster",      "sandbox",               config_parse_flag,      IN(cluster_config, has_sandbox), .repeats = false },
    { "network",      "uplink",                config_parse_uplink,           0, .repeats = false },
    { "network",      "interface",             config_parse_interface,        0, .repeats = false },
    { "network",      "subnet",                config_parse_subnet,           0, .repeats = true },
    { "network",      "address",               config_parse_subnet,           0, .repeats = true },
    { "network",      "mtu",                   config_parse_number,    IN(network_config, mtu), .least = 1280, .most = 65535 },
    { "portal_group", "floating_ip",           parse_floating_ip,      0, .repeats = true },
    { "portal_group", "tpgt",                  config_parse_number,    IN(portal_group_config, tpgt), .least = 1, .most = 65535 },
    { "portal_group", "redirect",              config_parse_choice,    IN(portal_group_config, redirect), .words = redirect_when_names },
    { "portal_group", "redirect_status",       config_parse_choice,    IN(portal_group_config, redirect_status), .words = redirect_status_names },
    { "portal_group", "discovery_chap",        config_parse_choice,    IN(portal_group_config, discovery_chap), .words = discovery_chap_names },
    { "portal_group", "alua",                  config_parse_choice,    IN(portal_group_config, alua), .words = alua_names },
    { "node",         "portal",                parse_portal,           0, .repeats = true },
    { "node",         "io_threads",            config_parse_number,    IN(node_config, io_threads), .least = 1, .most = 64 },
    { "volume",       "size",                  config_parse_size,      IN(volume_config, size), .repeats = false },
    { "volume",       "block_size",            parse_block_size,       IN(volume_config, block_size), .least = 512, .most = 4096 },
    { "volume",       "read_only",             config_parse_flag,      IN(volume_config, is_read_only), .repeats = false },
    { "volume",       "thin",                  config_parse_flag,      IN(volume_config, is_thin), .repeats = false },
    { "volume",       "removable",             config_parse_flag,      IN(volume_config, is_removable), .repeats = false },
    { "volume",       "pool",                  parse_plain_name,       IN(volume_config, pool), .repeats = false },
    { "pool",         "size",                  config_parse_size,      IN(pool_config, size), .repeats = false },
    { "initiator",    "net",                   parse_net,              0, .repeats = true },
    { "initiator",    "chap",                  parse_chap,             IN(initiator_config, chap), .repeats = false },
    { "initiator",    "mutual_chap",           parse_chap,             IN(initiator_config, mutual_chap), .repeats = false },
    { "export",       "portal_group",          parse_export_group,     0, .repeats = true },
    { "export",       "initiator",             parse_export_initiator, 0, .repeats = true },
    { "fault",        "rule",                  parse_rule,             0, .repeats = false },
    { 0 },
};
/* clang-format on */

const struct config_table config_keys = {sections, keys};

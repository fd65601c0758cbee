/* The probe's command line and environment; the interface is in probe.h. */
#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "sim-cluster/probe.h"
#include "sim-cluster/probe_stamp.h"
#include "target/base/address.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

enum option_type { OPTION_TEXT, OPTION_NUMBER, OPTION_BYTES, OPTION_FLAG };

#define FIELD(name) offsetof(struct probe_options, name)

/* One row each; `least` and `greatest` bound a number. */
static const struct row {
    const char *name, *value;
    enum option_type type;
    size_t offset;
    uint64_t least, greatest;
    const char *help;
} rows[] = {
    // clang-format off
    {"portal", "IP[:PORT]", OPTION_TEXT, FIELD(portal), 0, 0, "the floating IP to log in at (port 3260)"},
    {"target", "IQN", OPTION_TEXT, FIELD(target), 0, 0, "the target's name"},
    {"lun", "N", OPTION_NUMBER, FIELD(lun), 0, 255, "its logical unit (0)"},
    {"initiator", "IQN", OPTION_TEXT, FIELD(initiator), 0, 0, "the name to log in with"},
    {"chap", "USER", OPTION_TEXT, FIELD(chap_user), 0, 0, "CHAP user; the secret is in SIM_CLUSTER_CHAP"},
    {"seconds", "N", OPTION_NUMBER, FIELD(seconds), 1, 1000000, "how long to load (10)"},
    {"depth", "N", OPTION_NUMBER, FIELD(depth), 1, 256, "commands outstanding (8)"},
    {"block", "BYTES", OPTION_BYTES, FIELD(block_bytes), 512, MIB, "size of each, a multiple of 512 (4096)"},
    {"read", "PERCENT", OPTION_NUMBER, FIELD(read_percent), 0, 100, "share of reads (50)"},
    {"region", "BYTES", OPTION_BYTES, FIELD(region_bytes), 512, UINT64_MAX, "from the start of the disk (64M at most)"},
    {"timeout", "MS", OPTION_NUMBER, FIELD(timeout_ms), 10, 600000, "give up the connection after so much silence (1000)"},
    {"ping", "MS", OPTION_NUMBER, FIELD(ping_ms), 0, 600000, "between NOP-Outs; 0: only when nothing else is outstanding (0)"},
    {"retry", "MS", OPTION_NUMBER, FIELD(retry_ms), 1, 60000, "between login attempts (50)"},
    {"stall", "MS", OPTION_NUMBER, FIELD(stall_ms), 1, 600000, "report longer gaps between answers (100)"},
    {"give-up", "MS", OPTION_NUMBER, FIELD(give_up_ms), 100, 3600000, "for the first login, and for the end (15000)"},
    {"seed", "N", OPTION_NUMBER, FIELD(seed), 0, UINT64_MAX, "same seed, same order of blocks (random)"},
    {"json", NULL, OPTION_FLAG, FIELD(json), 0, 0, "one JSON object at the end instead of progress"},
    // clang-format on
};

#define ROW_COUNT (sizeof rows / sizeof rows[0])
#define HELP ROW_COUNT

static void set_defaults(struct probe_options *options)
{
    *options = (struct probe_options){
        .seconds = 10,
        .depth = 8,
        .block_bytes = 4096,
        .read_percent = 50,
        .timeout_ms = 1000,
        .retry_ms = 50,
        .stall_ms = 100,
        .give_up_ms = 15000,
    };
    (void)!getrandom(&options->seed, sizeof options->seed, 0);
    options->seed >>= 12; /* exact in JSON for every reader */
}

static void print_help(void)
{
    puts("usage: sim-cluster probe [options]\n"
         "A verifying initiator: load, integrity, stalls. Exit 1 when anything is wrong.");
    for (size_t i = 0; i < ROW_COUNT; i++)
        printf("  --%-9s %-10s %s\n", rows[i].name, rows[i].value ? rows[i].value : "",
               rows[i].help);
    puts("Secrets come from the environment: SIM_CLUSTER_CHAP and SIM_CLUSTER_MUTUAL_CHAP, each\n"
         "\"user secret\". Without --portal and --target: the running cluster's first ones.");
}

/* A number with k, M, G or T behind it when `has_unit`. */
static bool parse_number(const char *text, bool has_unit, uint64_t *number)
{
    static const char units[] = "kMGT";
    char *end;
    const char *unit;

    errno = 0;
    *number = strtoull(text, &end, 10);
    if (errno || end == text || text[0] == '-')
        return false;
    unit = has_unit && *end ? strchr(units, *end) : NULL;
    if (unit) {
        int shift = 10 * (int)(unit - units + 1);

        if (*number > UINT64_MAX >> shift)
            return false;
        *number <<= shift;
        end++;
    }
    return !*end;
}

static bool set_option(struct probe_options *options, const struct row *row, const char *value)
{
    char *field = (char *)options + row->offset;
    uint64_t number;

    if (row->type == OPTION_FLAG) {
        *(bool *)field = true;
        return true;
    }
    if (row->type == OPTION_TEXT) {
        *(const char **)field = value;
        return true;
    }
    if (!parse_number(value, row->type == OPTION_BYTES, &number) || number < row->least ||
        number > row->greatest) {
        fprintf(stderr, "probe: --%s %s: not a number from %llu to %llu\n", row->name, value,
                (unsigned long long)row->least, (unsigned long long)row->greatest);
        return false;
    }
    if (row->greatest > UINT32_MAX)
        *(uint64_t *)field = number;
    else
        *(uint32_t *)field = (uint32_t)number;
    return true;
}

/* "user secret" from the environment, or the secret alone; both stay where they are. */
static void take_secret(const char *variable, const char **user, const char **secret)
{
    const char *value = getenv(variable), *space = value ? strchr(value, ' ') : NULL;

    if (!value || !*value)
        return;
    *secret = space ? space + 1 : value;
    if (space && !*user)
        *user = value;
}

static const char *complaint(const struct probe_options *options)
{
    struct address address;

    if (options->portal && !address_parse(&address, options->portal, ISCSI_PORT))
        return "--portal is not an IP address with or without a port";
    if (options->block_bytes % PROBE_SECTOR_SIZE)
        return "--block is not a multiple of 512";
    if (options->region_bytes && options->region_bytes < options->block_bytes)
        return "--region is smaller than --block";
    if (options->chap_user && !options->chap_secret)
        return "--chap needs the secret in the environment variable SIM_CLUSTER_CHAP";
    if (options->chap_secret && !options->chap_user)
        return "SIM_CLUSTER_CHAP must be \"user secret\", or the secret alone beside --chap USER";
    if (options->mutual_secret && (!options->mutual_user || !options->chap_user))
        return "SIM_CLUSTER_MUTUAL_CHAP must be \"user secret\", beside SIM_CLUSTER_CHAP";
    return NULL;
}

static void list_options(struct option list[static ROW_COUNT + 2])
{
    for (size_t i = 0; i < ROW_COUNT; i++)
        list[i] =
            (struct option){rows[i].name, rows[i].value ? required_argument : no_argument, NULL, 0};
    list[HELP] = (struct option){"help", no_argument, NULL, 0};
    list[HELP + 1] = (struct option){0};
}

int probe_parse(int argc, char **argv, struct probe_options *options)
{
    struct option list[ROW_COUNT + 2];
    const char *wrong;
    int index = 0, found;

    set_defaults(options);
    list_options(list);
    optind = 0; /* the caller may have used getopt before */
    while ((found = getopt_long(argc, argv, "", list, &index)) != -1) {
        if (found == 0 && index == (int)HELP) {
            print_help();
            return PROBE_HELP;
        }
        if (found != 0 || !set_option(options, &rows[index], optarg))
            return 2;
    }
    take_secret("SIM_CLUSTER_CHAP", &options->chap_user, &options->chap_secret);
    take_secret("SIM_CLUSTER_MUTUAL_CHAP", &options->mutual_user, &options->mutual_secret);
    wrong = optind < argc ? "takes options only" : complaint(options);
    if (wrong)
        fprintf(stderr, "probe: %s; see 'sim-cluster probe --help'\n", wrong);
    return wrong ? 2 : 0;
}

/* What doctor says about packet filters. Theirs is a language of its own: what is looked for is a
 * chain that drops by default, and whether there are rules at all. */
#include "sim-cluster/doctor.h"
#include "target/base/memory.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdio.h>
#include <stdlib.h>

struct chains {
    unsigned count; /* that see packets */
    char *dropping; /* owned: the first that drops what no rule accepts */
};

static int on_chain(struct nl_msg *message, void *owner)
{
    struct chains *chains = owner;
    struct nlattr *fields[NFTA_CHAIN_MAX + 1];

    if (nlmsg_parse(nlmsg_hdr(message), sizeof(struct nfgenmsg), fields, NFTA_CHAIN_MAX, NULL))
        return NL_SKIP;
    if (!fields[NFTA_CHAIN_HOOK])
        return NL_OK;
    chains->count++;
    if (fields[NFTA_CHAIN_POLICY] && ntohl(nla_get_u32(fields[NFTA_CHAIN_POLICY])) == NF_DROP &&
        !chains->dropping)
        chains->dropping = memory_format("%s in table %s", nla_get_string(fields[NFTA_CHAIN_NAME]),
                                         nla_get_string(fields[NFTA_CHAIN_TABLE]));
    return NL_OK;
}

/* 0 or a negative error of libnl. */
static int list_chains(struct chains *chains)
{
    struct nl_sock *socket = nl_socket_alloc();
    struct nfgenmsg all = {.nfgen_family = NFPROTO_UNSPEC, .version = NFNETLINK_V0};
    int error = socket ? nl_connect(socket, NETLINK_NETFILTER) : -NLE_NOMEM;

    if (!error) {
        nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, on_chain, chains);
        error = nl_send_simple(socket, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN, NLM_F_DUMP,
                               &all, sizeof(all));
    }
    if (error >= 0)
        error = nl_recvmsgs_default(socket);
    nl_socket_free(socket);
    return error;
}

/* A table of iptables from before nftables is in use. */
static bool has_old_tables(void)
{
    FILE *file = fopen("/proc/net/ip_tables_names", "re");
    bool has = file && fgetc(file) != EOF;

    if (file)
        fclose(file);
    return has;
}

struct finding doctor_firewall(const struct doctor *doctor)
{
    struct chains chains = {0};
    int error = list_chains(&chains);
    bool has_old = has_old_tables();

    (void)doctor;
    if (chains.dropping) {
        char *what = memory_format("what no rule accepts is dropped: chain %s", chains.dropping);

        free(chains.dropping);
        return finding_bad(FINDING_WARNING, what,
                           memory_copy_text("Accept TCP port 3260 from the hosts, and what crosses "
                                            "the cluster's bridge: \"nft list ruleset\"."));
    }
    if (error == -NLE_PERM)
        return finding_bad(FINDING_WARNING, memory_copy_text("not known: only root may see it"),
                           memory_copy_text("\"nft list ruleset\" as root shows what may be in "
                                            "the way of TCP port 3260."));
    if (chains.count || has_old)
        return finding_ok(memory_format("there is one; %s", chains.count
                                                                ? "no chain drops by default"
                                                                : "\"iptables -S\" shows it"));
    return finding_ok(memory_copy_text("none"));
}

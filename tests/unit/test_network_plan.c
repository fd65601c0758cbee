/* Which network an address belongs to, what goes without saying, and what is refused. */
#include "sim-cluster/network_plan.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLUSTER "[cluster]\nname = lab\nbase_name = iqn.2012-11.com.example:lab\n"
#define NETNS CLUSTER "network = netns\n"
#define HOST CLUSTER "network = host\n"
#define REST                                                                                       \
    "[portal_group poc]\nfloating_ip = 10.1.0.100/24\nfloating_ip = fd00:1::100/64\n"              \
    "[node 1]\nportal = 10.1.0.1 poc\nportal = fd00:1::1 poc\n"

static struct cluster_config config;

/* NULL, or the owned sentence without the file's name. */
static char *read_text(const char *text)
{
    char path[] = "/tmp/test_network_plan.XXXXXX", *wrong, *sentence = NULL;
    FILE *file = fdopen(mkstemp(path), "w");

    fputs(text, file);
    fclose(file);
    wrong = cluster_config_read(&config, path);
    unlink(path);
    if (wrong)
        sentence = strdup(wrong + strlen(path));
    free(wrong);
    return sentence;
}

static void check_subnet(const char *text, int network, int prefix)
{
    struct address address;

    ck_assert(address_parse(&address, text, 0));
    ck_assert_int_eq(network_plan_find(&config, &address, 0), network);
    ck_assert_int_eq(network_plan_subnet(&config.networks[network], &address).prefix, prefix);
}

START_TEST(one_private_network_goes_without_saying)
{
    ck_assert_ptr_null(read_text(NETNS REST));
    ck_assert_uint_eq(config.network_count, 1);
    ck_assert_str_eq(config.networks[0].name, "lan");
    ck_assert_int_eq(config.networks[0].uplink, UPLINK_NONE);
    check_subnet("10.1.0.1", 0, 24);
    check_subnet("fd00:1::1", 0, 64);
    cluster_config_free(&config);
}
END_TEST

START_TEST(an_address_belongs_to_the_network_whose_subnet_has_it)
{
    ck_assert_ptr_null(read_text(
        NETNS REST "[network a]\nuplink = bridge br0\naddress = 10.1.0.254/16\nmtu = 9000\n"
                   "[network b]\nuplink = macvlan eth1\nsubnet = fd00:1::/48\n"));
    ck_assert_int_eq(config.networks[0].uplink, UPLINK_BRIDGE);
    ck_assert_str_eq(config.networks[0].device, "br0");
    ck_assert_int_eq(config.networks[0].mtu, 9000);
    ck_assert_int_eq(config.networks[1].uplink, UPLINK_MACVLAN);
    ck_assert_str_eq(config.networks[1].device, "eth1");
    check_subnet("10.1.0.1", 0, 16);
    check_subnet("fd00:1::1", 1, 48);
    cluster_config_free(&config);
}
END_TEST

START_TEST(names_tell_the_cluster_the_network_and_the_node)
{
    char *space, *link, *port;

    ck_assert_ptr_null(read_text(NETNS REST));
    space = network_plan_namespace(&config, 1);
    link = network_plan_own(&config, 0);
    port = network_plan_port(&config, 0, 1);
    ck_assert_str_eq(space, "lab-node1");
    ck_assert_str_eq(link, "lab-lan");
    ck_assert_str_eq(port, "lab-lan-1");
    free(space);
    free(link);
    free(port);
    cluster_config_free(&config);
}
END_TEST

START_TEST(a_mac_is_stable_locally_administered_and_its_own)
{
    uint8_t first[NETWORK_MAC_SIZE], again[NETWORK_MAC_SIZE], other[NETWORK_MAC_SIZE];

    ck_assert_ptr_null(read_text(NETNS REST "[network a]\nsubnet = 10.1.0.0/24\n"
                                            "[network b]\nsubnet = fd00:1::/64\n"));
    network_plan_mac(first, &config, 0, 0x123);
    network_plan_mac(again, &config, 0, 0x123);
    ck_assert_mem_eq(first, again, sizeof(first));
    ck_assert_int_eq(first[0], 0x02);
    ck_assert_int_eq(first[4], 0x01);
    ck_assert_int_eq(first[5], 0x23);
    network_plan_mac(other, &config, 1, 0x123);
    ck_assert_mem_ne(first, other, sizeof(first));
    free(config.name);
    config.name = strdup("other");
    network_plan_mac(other, &config, 0, 0x123);
    ck_assert_mem_ne(first, other, sizeof(first));
    cluster_config_free(&config);
}
END_TEST

/* clang-format off */
static const struct {
    const char *text, *sentence;
} mistakes[] = {
    { NETNS REST "[network lo]\n",                                  ":11: a network's name is that of the nodes' interfaces: at most 15 letters, digits, _ and -, and not lo" },
    { NETNS REST "[network a.1]\n",                                 ":11: a network's name is that of the nodes' interfaces: at most 15 letters, digits, _ and -, and not lo" },
    { NETNS REST "[network a]\nuplink = wire\n",                    ":12: uplink = wire: must be none, bridge NAME or macvlan INTERFACE" },
    { NETNS REST "[network a]\nuplink = bridge\n",                  ":12: uplink = bridge: must name an interface of this machine: \"ip link\" lists them" },
    { NETNS REST "[network a]\nuplink = macvlan a/b\n",             ":12: uplink = macvlan a/b: must name an interface of this machine: \"ip link\" lists them" },
    { NETNS REST "[network a]\nuplink = bridge b\ninterface = c\n", ":13: interface = c: goes with no other uplink or interface" },
    { NETNS REST "[network a]\naddress = 10.1.0.254\n",             ":12: address = 10.1.0.254: must be ADDRESS/PREFIX, for instance 10.77.1.0/24" },
    { NETNS REST "[network a]\nmtu = 100\n",                        ":12: mtu = 100: must be a number from 1280 to 65535" },
    { NETNS REST "[network a]\nsubnet = 10.1.0.0/24\n[network b]\n", ":13: network b needs subnet = ADDRESS/PREFIX, to tell which portals and floating IPs belong to it" },
    { NETNS REST "[network a]\nsubnet = 10.1.0.0/24\n",             ":7: fd00:1::100 is in no subnet of a [network]: give it a subnet = that has it" },
    { NETNS REST "[network a]\nsubnet = 10.1.0.0/24\n[network b]\nsubnet = 10.0.0.0/8\nsubnet = fd00::/16\n", ":6: 10.1.0.100 is in the subnets of networks a and b: which one is meant?" },
    { NETNS REST "[network a]\naddress = 10.1.0.1/24\nsubnet = fd00::/16\n", ":9: 10.1.0.1 is used in line 11 already, by another holder" },
    { NETNS REST "[node 2]\nportal = 10.1.0.1:3261 poc\n",          ":12: 10.1.0.1 is used in line 9 already, by another holder" },
    { NETNS "[portal_group poc]\nfloating_ip = 127.0.1.100/24\n[node 1]\nportal = 127.0.1.1 poc\n", ":6: 127.0.1.100 never leaves a machine: network = netns needs addresses of a LAN, for instance 10.77.1.100" },
    { NETNS REST "[network a]\ninterface = eth1\n",                 ":11: network a has an interface, which is for network = host: uplink = macvlan NAME puts the nodes of network = netns on it" },
    { NETNS REST "[network storage-vlan]\n",                        ":11: lab-storage-vlan-1 cannot be the name of an interface: a shorter name in [cluster] makes it one of at most 15 characters without a colon" },
    { HOST REST,                                                    ":1: network = host needs interface = NAME for network lan" },
    { HOST "interface = eth1\n" REST "[network a]\nuplink = bridge br0\n", ":12: network = host needs interface = NAME for network a" },
    { HOST REST "[network a]\ninterface = eth1\naddress = 10.1.0.254/24\n", ":11: network a: with network = host this machine has its own addresses already; subnet = says which portals belong to it" },
    { HOST REST "[network a]\ninterface = eth1\nmtu = 9000\n",      ":11: network a: with network = host the MTU is that of the interface" },
    { CLUSTER REST "[network a]\n",                                 ":10: [network a] needs network = netns or network = host in [cluster]" },
    { CLUSTER "interface = eth1\n" REST,                            ":1: interface needs network = host in [cluster]" },
};
/* clang-format on */

START_TEST(a_mistake_is_named_by_file_and_line)
{
    char *sentence = read_text(mistakes[_i].text);

    ck_assert_ptr_nonnull(sentence);
    ck_assert_str_eq(sentence, mistakes[_i].sentence);
    free(sentence);
    cluster_config_free(&config);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("network_plan");
    TCase *tcase = tcase_create("network_plan");
    SRunner *runner;
    int failed;

    tcase_add_test(tcase, one_private_network_goes_without_saying);
    tcase_add_test(tcase, an_address_belongs_to_the_network_whose_subnet_has_it);
    tcase_add_test(tcase, names_tell_the_cluster_the_network_and_the_node);
    tcase_add_test(tcase, a_mac_is_stable_locally_administered_and_its_own);
    tcase_add_loop_test(tcase, a_mistake_is_named_by_file_and_line, 0,
                        (int)(sizeof(mistakes) / sizeof(*mistakes)));
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}

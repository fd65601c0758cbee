/* The configuration file: what it means, and what each kind of mistake says. */
#include "sim-cluster/cluster_config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLUSTER "[cluster]\nbase_name = iqn.2012-11.com.example:test\n"
#define GROUP "[portal_group poc]\nfloating_ip = 127.0.1.100/24\n"
#define NODE "[node 1]\nportal = 127.0.1.1 poc\n"
#define VOLUME "[volume data1]\nsize = 1G\n"
#define GOOD CLUSTER GROUP NODE VOLUME

static struct cluster_config config;

/* An owned sentence without the file's name, or NULL. */
static char *read_text(const char *text)
{
    char path[] = "/tmp/test_cluster_config.XXXXXX", *wrong, *sentence;
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    wrong = cluster_config_read(&config, path);
    unlink(path);
    cluster_config_free(&config);
    if (!wrong)
        return NULL;
    ck_assert_msg(!strncmp(wrong, path, strlen(path)), "%s", wrong);
    sentence = strdup(wrong + strlen(path));
    free(wrong);
    return sentence;
}

START_TEST(the_file_of_the_design_is_understood)
{
    char path[] = "/tmp/test_cluster_config.XXXXXX";
    const char text[] =
        "[cluster]\nname = demo\nbase_name = iqn.2012-11.com.example:demo\nnetwork = loopback\n"
        "node_timeout_ms = 2500\nfailback_s = 9\nzero_copy = off\nspin_us = 50\nio_threads = 2\n"
        "[portal_group poc]\nfloating_ip = 127.0.1.100/24 ; a comment\n"
        "floating_ip = [::1]:3261/128\nredirect = before_auth\nredirect_status = permanent\n"
        "discovery_chap = required\ntpgt = 7\n"
        "[node 12]\nportal = 127.0.1.1:3262 poc\nportal = 127.0.2.1 poc\nio_threads = 3\n"
        "[volume Data_1]\nsize = 20G\nblock_size = 4096\nread_only = yes\n"
        "[initiator iqn.1991-05.com.microsoft:win2016]\nnet = 0.0.0.0/0\nnet = 10.0.0.0/8\n"
        "chap = user secret12chars\nmutual_chap = other another12chars\n"
        "[initiator *]\n"
        "[export Data_1]\nportal_group = poc\ninitiator = iqn.1991-05.com.microsoft:win2016\n";
    FILE *file = fdopen(mkstemp(path), "w");

    fputs(text, file);
    fclose(file);
    ck_assert_ptr_null(cluster_config_read(&config, path));
    unlink(path);
    ck_assert_int_eq(config.node_timeout_ms, 2500);
    ck_assert_int_eq(config.failback_s, 9);
    ck_assert_int_eq(config.queue_depth, 128);
    ck_assert(!config.has_zero_copy);
    ck_assert_int_eq(config.spin_us, 50);
    ck_assert_int_eq(config.io_threads, 2);
    ck_assert_int_eq(config.nodes[0].io_threads, 3);
    ck_assert_uint_eq(config.portal_groups[0].floating_ip_count, 2);
    ck_assert_int_eq(config.portal_groups[0].floating_ips[0].subnet.prefix, 24);
    ck_assert_int_eq(config.portal_groups[0].floating_ips[0].subnet.address.port, 3260);
    ck_assert_int_eq(config.portal_groups[0].floating_ips[1].subnet.address.port, 3261);
    ck_assert_int_eq(config.portal_groups[0].redirect, REDIRECT_BEFORE_AUTH);
    ck_assert_int_eq(config.portal_groups[0].redirect_status, REDIRECT_PERMANENT);
    ck_assert_int_eq(config.portal_groups[0].discovery_chap, DISCOVERY_CHAP_REQUIRED);
    ck_assert_int_eq(config.portal_groups[0].tpgt, 7);
    ck_assert_int_eq(config.nodes[0].number, 12);
    ck_assert_int_eq(config.nodes[0].portals[0].address.port, 3262);
    ck_assert_int_eq(config.nodes[0].portals[1].address.port, 3260);
    ck_assert_uint_eq(config.volumes[0].size, UINT64_C(20) << 30);
    ck_assert_int_eq(config.volumes[0].block_size, 4096);
    ck_assert(config.volumes[0].is_read_only);
    ck_assert_str_eq(config.volumes[0].target, "iqn.2012-11.com.example:demo:data-1");
    ck_assert_uint_eq(config.initiators[0].net_count, 2);
    ck_assert_str_eq(config.initiators[0].chap.secret, "secret12chars");
    ck_assert_str_eq(config.initiators[0].mutual_chap.user, "other");
    ck_assert_str_eq(config.initiators[1].name, "*");
    ck_assert_str_eq(config.exports[0].initiators[0].name, "iqn.1991-05.com.microsoft:win2016");
    cluster_config_free(&config);
}
END_TEST

START_TEST(what_may_be_left_out_is_filled_in)
{
    char path[] = "/tmp/test_cluster_config.XXXXXX";
    FILE *file = fdopen(mkstemp(path), "w");

    fputs(GOOD "[export data1]\nportal_group = poc\n", file);
    fclose(file);
    ck_assert_ptr_null(cluster_config_read(&config, path));
    unlink(path);
    ck_assert_str_eq(config.name, "demo");
    ck_assert_int_eq(config.node_timeout_ms, 1000);
    ck_assert_int_eq(config.portal_groups[0].tpgt, 1);
    ck_assert_int_eq(config.volumes[0].block_size, 512);
    ck_assert_str_eq(config.initiators[0].name, "*");
    ck_assert_str_eq(config.exports[0].initiators[0].name, "*");
    cluster_config_free(&config);
}
END_TEST

/* clang-format off */
static const struct {
    const char *text, *sentence;
} mistakes[] = {
    { GOOD "[nodee 2]\n",                                         ":9: there is no section [nodee]" },
    { GOOD "[cluster x]\n",                                       ":9: [cluster] takes no name" },
    { GOOD "[volume]\n",                                          ":9: [volume] needs a name: [volume NAME]" },
    { GOOD "[node 1\n",                                           ":9: the section's ']' is missing" },
    { GOOD "[node 1]\n",                                          ":9: [node 1] is given twice" },
    { GOOD "[node 01]\nportal = 127.0.1.9 poc\n",                 ":9: [node 1] is given twice" },
    { GOOD "[node x]\n",                                          ":9: [node x]: a node's number must be a number from 1 to 4095" },
    { GOOD "[node 0]\n",                                          ":9: [node 0]: a node's number must be a number from 1 to 4095" },
    { GOOD "[cluster]\n",                                         ":9: [cluster] is given twice" },
    { "name = x\n",                                               ":1: name stands before the first section" },
    { "[cluster]\nfoo = 1\n",                                     ":2: [cluster] has no key foo" },
    { "[cluster]\nname = a\nname = b\n",                          ":3: name is given twice" },
    { "[cluster]\nname =\n",                                      ":2: name has no value" },
    { "[cluster]\nwhatever\n",                                    ":2: is neither a [section], a key = value nor a ; comment" },
    { "[cluster]\nname = a b\n",                                  ":2: name = a b: may hold letters, digits and _ - . : only" },
    { "[cluster]\nnode_timeout_ms = 5\n",                         ":2: node_timeout_ms = 5: must be a number from 100 to 600000" },
    { "[cluster]\nnode_timeout_ms = 1s\n",                        ":2: node_timeout_ms = 1s: must be a number from 100 to 600000" },
    { "[cluster]\nnetwork = moon\n",                              ":2: network = moon: must be loopback or netns or host" },
    { "[cluster]\nbase_name = storpool\n",                        ":2: base_name = storpool: must be an IQN: iqn.YYYY-MM.reversed.domain[:name]" },
    { "[cluster]\nbase_name = iqn.2012-13.com.example\n",         ":2: base_name = iqn.2012-13.com.example: must be an IQN: iqn.YYYY-MM.reversed.domain[:name]" },
    { "[cluster]\n" GROUP NODE,                                   ":1: [cluster] needs a base_name" },
    { CLUSTER GROUP,                                              ":1: there is no [node N]" },
    { CLUSTER,                                                    ":1: there is no [node N]" },
    { CLUSTER NODE,                                               ":1: there is no [portal_group NAME]" },
    { CLUSTER NODE "[portal_group poc]\n",                        ":5: portal group poc needs a floating_ip" },
    { CLUSTER "[portal_group poc]\nfloating_ip = here\n",         ":4: floating_ip = here: must be ADDRESS/PREFIX, for instance 127.0.1.100/24" },
    { CLUSTER "[portal_group poc]\nfloating_ip = 127.0.0.1/33\n", ":4: floating_ip = 127.0.0.1/33: must be ADDRESS/PREFIX, for instance 127.0.1.100/24" },
    { CLUSTER "[portal_group poc]\nredirect = never\n",           ":4: redirect = never: must be after_auth or before_auth" },
    { CLUSTER "[portal_group poc]\ntpgt = 0\n",                   ":4: tpgt = 0: must be a number from 1 to 65535" },
    { CLUSTER GROUP "[node 1]\nportal = 127.0.1.1\n",             ":6: portal = 127.0.1.1: must be ADDRESS[:PORT] PORTAL_GROUP" },
    { CLUSTER GROUP "[node 1]\nportal = 127.0.1.1:0 poc\n",       ":6: portal = 127.0.1.1:0 poc: must be ADDRESS[:PORT] PORTAL_GROUP" },
    { CLUSTER GROUP "[node 1]\nportal = 127.0.1.1 qos\n",         ":6: there is no portal group qos" },
    { CLUSTER GROUP "[node 1]\n",                                 ":5: node 1 needs a portal" },
    { GOOD "[node 2]\nportal = 127.0.1.1:3260 poc\n",             ":10: address 127.0.1.1:3260 is used already in line 6" },
    { GOOD "[node 2]\nportal = 127.0.1.100 poc\n",                ":10: address 127.0.1.100:3260 is used already in line 4" },
    { GOOD "[portal_group b]\nfloating_ip = 127.0.3.1/24\n",      ":9: no node has a portal in portal group b" },
    { GOOD "[portal_group b]\ntpgt = 1\nfloating_ip = 127.0.3.1/24\n", ":9: portal groups poc and b have the same tpgt 1" },
    { GOOD "[volume data2]\n",                                    ":9: volume data2 needs a size" },
    { GOOD "[volume data2]\nsize = 1X\n",                         ":10: size = 1X: must be a number of bytes, or of k, M, G or T" },
    { GOOD "[volume data2]\nsize = 99999999T\n",                  ":10: size = 99999999T: must be a number of bytes, or of k, M, G or T" },
    { GOOD "[volume data2]\nsize = 1000\n",                       ":9: the size of volume data2 is not a multiple of 512" },
    { GOOD "[volume data2]\nsize = 1k\nblock_size = 4096\n",      ":9: the size of volume data2 is not a multiple of 4096" },
    { GOOD "[volume data2]\nblock_size = 1024\n",                 ":10: block_size = 1024: must be 512 or 4096" },
    { GOOD "[volume data2]\nread_only = maybe\n",                 ":10: read_only = maybe: must be yes or no" },
    { GOOD "[volume DATA1]\nsize = 1M\n",                         ":9: volumes data1 and DATA1 would both be target iqn.2012-11.com.example:test:data1" },
    { GOOD "[volume ../x]\n",                                     ":9: a volume's name may hold letters, digits and _ - . : only" },
    { GOOD "[initiator Me]\n",                                    ":9: [initiator Me]: must be an iSCSI name in lower case, or *" },
    { GOOD "[initiator *]\nnet = 10.0.0.0/40\n",                  ":10: net = 10.0.0.0/40: must be ADDRESS/PREFIX, for instance 10.0.0.0/8" },
    { GOOD "[initiator *]\nchap = user\n",                        ":10: chap: must be USER SECRET" },
    { GOOD "[initiator *]\nchap = user short\n",                  ":10: chap: the secret must have 12 bytes or more" },
    { GOOD "[initiator *]\nmutual_chap = u secret12chars\n",      ":9: initiator * has mutual_chap without chap" },
    { GOOD "[initiator *]\nchap = a secret12chars\nmutual_chap = b secret12chars\n", ":9: initiator *: chap and mutual_chap must have different secrets" },
    { GOOD "[export data9]\nportal_group = poc\n",                ":9: there is no volume data9" },
    { GOOD "[export data1]\n",                                    ":9: the export of data1 needs a portal_group" },
    { GOOD "[export data1]\nportal_group = qos\n",                ":10: there is no portal group qos" },
    { GOOD "[export data1]\nportal_group = poc\nportal_group = poc\n", ":11: portal_group = poc: is given twice" },
    { GOOD "[export data1]\nportal_group = poc\ninitiator = iqn.2020-01.a:b\n", ":11: there is no initiator iqn.2020-01.a:b" },
};
/* clang-format on */

START_TEST(a_mistake_is_named_by_file_and_line)
{
    char *sentence = read_text(mistakes[_i].text);

    ck_assert_ptr_nonnull(sentence);
    ck_assert_str_eq(sentence, mistakes[_i].sentence);
    free(sentence);
}
END_TEST

START_TEST(an_export_needs_a_node_with_all_its_portal_groups)
{
    char *sentence = read_text(GOOD "[portal_group b]\nfloating_ip = 127.0.3.1/24\n"
                                    "[node 2]\nportal = 127.0.3.2 b\n"
                                    "[export data1]\nportal_group = poc\nportal_group = b\n");

    ck_assert_str_eq(sentence, ":13: no node has a portal in every portal group that data1 is "
                               "exported in");
    free(sentence);
}
END_TEST

START_TEST(a_target_is_named_in_the_characters_of_an_iqn)
{
    char *name = cluster_config_target_name("iqn.2012-11.com.example:demo", "Win_2016.C:x");

    ck_assert_str_eq(name, "iqn.2012-11.com.example:demo:win-2016.c:x");
    free(name);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cluster_config");
    TCase *tests = tcase_create("cluster_config");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tests, the_file_of_the_design_is_understood);
    tcase_add_test(tests, what_may_be_left_out_is_filled_in);
    tcase_add_loop_test(tests, a_mistake_is_named_by_file_and_line, 0,
                        sizeof(mistakes) / sizeof(*mistakes));
    tcase_add_test(tests, an_export_needs_a_node_with_all_its_portal_groups);
    tcase_add_test(tests, a_target_is_named_in_the_characters_of_an_iqn);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

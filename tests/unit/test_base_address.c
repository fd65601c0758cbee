/* Addresses as people and as RFC 7143 13.8 write them. */
#include "target/base/address.h"

#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */
static const struct {
    const char *text, *formatted; /* NULL: refused */
} addresses[] = {
    { "10.0.0.1",                  "10.0.0.1:3260" },
    { "10.0.0.1:860",              "10.0.0.1:860" },
    { "::1",                       "[::1]:3260" },
    { "[::1]",                     "[::1]:3260" },
    { "[::1]:65535",               "[::1]:65535" },
    { "[fe80:0:0:0:0:0:0:1]:1",    "[fe80::1]:1" },
    { "2001:db8::10.0.0.1",        "[2001:db8::a00:1]:3260" },
    { "",                          NULL },
    { "10.0.0",                    NULL },
    { "10.0.0.256",                NULL },
    { "10.0.0.1:",                 NULL },
    { "10.0.0.1:x",                NULL },
    { "10.0.0.1:65536",            NULL },
    { "10.0.0.1:-1",               NULL },
    { "[10.0.0.1]:3260",           NULL },
    { "[::1",                      NULL },
    { "[::1]x",                    NULL },
    { "[::1]:",                    NULL },
    { "::1]",                      NULL },
    { "localhost",                 NULL },
    { " 10.0.0.1",                 NULL },
};
/* clang-format on */

START_TEST(addresses_are_read_and_written)
{
    struct address address;
    char text[ADDRESS_TEXT_SIZE];
    bool is_good = address_parse(&address, addresses[_i].text, ISCSI_PORT);

    ck_assert_msg(is_good == (addresses[_i].formatted != NULL), "%s", addresses[_i].text);
    if (is_good)
        ck_assert_str_eq(address_format(&address, text), addresses[_i].formatted);
}
END_TEST

START_TEST(the_longest_address_fits)
{
    struct address address = {.is_ipv6 = true, .port = 65535};
    char text[ADDRESS_TEXT_SIZE];

    memset(address.bytes, 0xff, sizeof(address.bytes));
    ck_assert_str_eq(address_format(&address, text),
                     "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
    ck_assert_str_eq(address_format_host(&address, text),
                     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
}
END_TEST

static const struct {
    const char *subnet, *address;
    bool is_inside;
} subnets[] = {
    {"10.0.0.0/8", "10.255.0.1", true},
    {"10.0.0.0/8", "11.0.0.1", false},
    {"127.0.1.100/24", "127.0.1.1", true},
    {"127.0.1.100/24", "127.0.2.1", false},
    {"10.0.0.128/25", "10.0.0.129", true},
    {"10.0.0.128/25", "10.0.0.127", false},
    {"0.0.0.0/0", "1.2.3.4", true},
    {"0.0.0.0/0", "::1", false},
    {"10.0.0.1", "10.0.0.1", true},
    {"10.0.0.1", "10.0.0.2", false},
    {"2001:db8::/33", "2001:db8::1", true},
    {"2001:db8::/33", "2001:db8:8000::1", false},
    {"::/0", "fe80::1", true},
};

START_TEST(a_subnet_knows_its_addresses)
{
    struct subnet subnet;
    struct address address;

    ck_assert(subnet_parse(&subnet, subnets[_i].subnet));
    ck_assert(address_parse(&address, subnets[_i].address, 0));
    ck_assert_int_eq(subnet_contains(&subnet, &address), subnets[_i].is_inside);
}
END_TEST

static const char *const bad_subnets[] = {"10.0.0.0/33", "10.0.0.0/",       "10.0.0.0/-1",
                                          "::/129",      "10.0.0.0:3260/8", "/8",
                                          "x/8",         "10.0.0.0/8x"};

START_TEST(what_is_no_subnet_is_refused)
{
    struct subnet subnet;

    ck_assert(!subnet_parse(&subnet, bad_subnets[_i]));
}
END_TEST

START_TEST(an_address_survives_a_socket_address)
{
    struct sockaddr_storage socket_address;
    struct address there, back;

    address_parse(&there, "[2001:db8::7]:3260", 0);
    ck_assert_uint_eq(address_to_socket(&there, &socket_address), sizeof(struct sockaddr_in6));
    ck_assert(address_from_socket(&back, &socket_address));
    ck_assert(address_is_same(&there, &back));
    address_parse(&there, "10.1.2.3:860", 0);
    ck_assert_uint_eq(address_to_socket(&there, &socket_address), sizeof(struct sockaddr_in));
    ck_assert(address_from_socket(&back, &socket_address));
    ck_assert(address_is_same(&there, &back));
}
END_TEST

START_TEST(a_mapped_address_comes_out_as_ipv4)
{
    struct sockaddr_in6 mapped = {.sin6_family = AF_INET6, .sin6_port = htons(3260)};
    struct sockaddr_storage storage = {0};
    struct address address;
    char text[ADDRESS_TEXT_SIZE];

    mapped.sin6_addr.s6_addr[10] = mapped.sin6_addr.s6_addr[11] = 0xff;
    memcpy(mapped.sin6_addr.s6_addr + 12, (uint8_t[]){10, 0, 0, 9}, 4);
    memcpy(&storage, &mapped, sizeof(mapped));
    ck_assert(address_from_socket(&address, &storage));
    ck_assert_str_eq(address_format(&address, text), "10.0.0.9:3260");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base_address");
    TCase *tests = tcase_create("base_address");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tests, addresses_are_read_and_written, 0,
                        sizeof(addresses) / sizeof(*addresses));
    tcase_add_test(tests, the_longest_address_fits);
    tcase_add_loop_test(tests, a_subnet_knows_its_addresses, 0, sizeof(subnets) / sizeof(*subnets));
    tcase_add_loop_test(tests, what_is_no_subnet_is_refused, 0,
                        sizeof(bad_subnets) / sizeof(*bad_subnets));
    tcase_add_test(tests, an_address_survives_a_socket_address);
    tcase_add_test(tests, a_mapped_address_comes_out_as_ipv4);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

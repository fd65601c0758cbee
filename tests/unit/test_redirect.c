/* Where a floating IP sends a login. */
#include "portalgroup/redirect.h"
#include "tests/unit/unit.h"

#include <string.h>

/* Portals of one portal group: node 1 in two subnets, node 2 in the other one only, node 3 at the
 * floating IP itself, node 4 with a second port at its address, node 5 with IPv6. */
static const struct {
    int node;
    const char *address;
} portals[] = {
    {1, "127.0.2.1:3260"},   {1, "127.0.1.1:3260"},   {1, "127.0.1.11:3260"},
    {2, "127.0.2.2:3260"},   {2, "127.0.3.2:3260"},   {3, "127.0.1.100:3260"},
    {4, "127.0.1.100:3260"}, {4, "127.0.1.100:3261"}, {5, "[fd00::5]:3260"},
};

/* The floating IP, the current controller, and where the login goes; NULL: nowhere now. */
static const struct {
    const char *floating_ip;
    uint8_t prefix;
    int controller;
    const char *to;
} rows[] = {
    {"127.0.1.100:3260", 24, 1, "127.0.1.1:3260"}, /* its own subnet, the first one there */
    {"127.0.2.100:3260", 24, 1, "127.0.2.1:3260"},
    {"127.0.9.100:3260", 24, 1, "127.0.2.1:3260"}, /* no portal in the subnet: the first one */
    {"127.0.1.100:3260", 32, 1, "127.0.2.1:3260"},
    {"127.0.1.100:3260", 16, 1, "127.0.2.1:3260"},
    {"127.0.1.100:3260", 24, 2, "127.0.2.2:3260"},
    {"127.0.3.100:3260", 24, 2, "127.0.3.2:3260"},
    {"127.0.1.100:3260", 24, 3, NULL}, /* never to itself */
    {"127.0.1.101:3260", 24, 3, "127.0.1.100:3260"},
    {"127.0.1.100:3260", 24, 4, "127.0.1.100:3261"},
    {"[fd00::100]:3260", 64, 5, "[fd00::5]:3260"},
    {"[fd00::100]:3260", 64, 1, "127.0.2.1:3260"},
    {"127.0.1.100:3260", 24, 6, NULL}, /* it has no portal in the group */
    {"127.0.1.100:3260", 24, MAP_NO_NODE, NULL},
};

START_TEST(a_login_goes_to_the_current_controller)
{
    struct map_portal list[ROWS(portals)];
    struct map_portal_group group = {.portals = list, .portal_count = ROWS(portals)};
    struct map_floating_ip self = {.subnet.prefix = rows[_i / 2].prefix};
    struct map_target target = {.controller = rows[_i / 2].controller};
    enum login_status status;
    struct address to;
    char text[ADDRESS_TEXT_SIZE];

    for (int i = 0; i < ROWS(portals); i++) {
        list[i].node = portals[i].node;
        ck_assert(address_parse(&list[i].address, portals[i].address, 0));
    }
    ck_assert(address_parse(&self.subnet.address, rows[_i / 2].floating_ip, 0));
    group.redirects_for_good = _i % 2;
    status = redirect_choose(&group, &self, &target, &to);
    if (!rows[_i / 2].to) {
        ck_assert_uint_eq(status, LOGIN_SERVICE_UNAVAILABLE);
        return;
    }
    ck_assert_uint_eq(status, _i % 2 ? LOGIN_MOVED_PERMANENTLY : LOGIN_MOVED_TEMPORARILY);
    ck_assert_str_eq(address_format(&to, text), rows[_i / 2].to);
}
END_TEST

/* A node without a number is no controller: "none" must not match it. */
START_TEST(no_controller_is_nobody)
{
    struct map_portal portal = {.node = MAP_NO_NODE};
    struct map_portal_group group = {.portals = &portal, .portal_count = 1};
    struct map_floating_ip self = {0};
    struct map_target target = {.controller = MAP_NO_NODE};
    struct address to;

    ck_assert(address_parse(&portal.address, "127.0.1.1:3260", 0));
    ck_assert_uint_eq(redirect_choose(&group, &self, &target, &to), LOGIN_SERVICE_UNAVAILABLE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("redirect");
    TCase *tests = tcase_create("redirect");

    tcase_add_loop_test(tests, a_login_goes_to_the_current_controller, 0, 2 * ROWS(rows));
    tcase_add_test(tests, no_controller_is_nobody);
    suite_add_tcase(suite, tests);
    return unit_run(suite);
}

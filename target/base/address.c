#include "target/base/address.h"

#include "target/base/decimal.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static bool parse_number(const char *text, unsigned long most, unsigned long *number)
{
    char *end;

    if (*text < '0' || *text > '9')
        return false;
    *number = strtoul(text, &end, 10);
    return !*end && *number <= most;
}

static bool parse_host(struct address *address, const char *host)
{
    address->is_ipv6 = strchr(host, ':');
    return inet_pton(address->is_ipv6 ? AF_INET6 : AF_INET, host, address->bytes) == 1;
}

bool address_parse(struct address *address, const char *text, uint16_t default_port)
{
    char host[ADDRESS_TEXT_SIZE];
    const char *colon = strrchr(text, ':'), *bracket = strchr(text, ']');
    bool is_bracketed = *text == '[';
    bool has_port =
        is_bracketed ? bracket && bracket[1] == ':' : colon && strchr(text, ':') == colon;
    size_t length = has_port ? (size_t)(colon - text) : strlen(text);
    unsigned long port = default_port;

    *address = (struct address){0};
    if (is_bracketed && (!bracket || (size_t)(bracket - text) + 1 != length))
        return false;
    if (length >= sizeof(host) || (has_port && !parse_number(colon + 1, UINT16_MAX, &port)))
        return false;
    length -= is_bracketed ? 2 : 0;
    memcpy(host, text + is_bracketed, length);
    host[length] = '\0';
    address->port = (uint16_t)port;
    return parse_host(address, host) && (!is_bracketed || address->is_ipv6);
}

bool subnet_parse(struct subnet *subnet, const char *text)
{
    char host[ADDRESS_TEXT_SIZE];
    const char *slash = strchr(text, '/');
    size_t length = slash ? (size_t)(slash - text) : strlen(text);
    unsigned long prefix;

    if (length >= sizeof(host))
        return false;
    memcpy(host, text, length);
    host[length] = '\0';
    if (!address_parse(&subnet->address, host, 0) || subnet->address.port)
        return false;
    prefix = subnet->address.is_ipv6 ? 128 : 32;
    if (slash && !parse_number(slash + 1, prefix, &prefix))
        return false;
    subnet->prefix = (uint8_t)prefix;
    return true;
}

/* These give what follows; the end is not marked. */
static char *write_ipv4(char *to, const uint8_t bytes[static 4])
{
    for (int i = 0; i < 4; i++) {
        if (i)
            *to++ = '.';
        to = decimal_write(to, bytes[i]);
    }
    return to;
}

static char *write_host(char *to, const struct address *address)
{
    if (!address->is_ipv6)
        return write_ipv4(to, address->bytes);
    inet_ntop(AF_INET6, address->bytes, to, INET6_ADDRSTRLEN);
    return to + strlen(to);
}

char *address_format_host(const struct address *address, char text[static ADDRESS_TEXT_SIZE])
{
    *write_host(text, address) = '\0';
    return text;
}

char *address_format(const struct address *address, char text[static ADDRESS_TEXT_SIZE])
{
    char *to = text;

    if (address->is_ipv6)
        *to++ = '[';
    to = write_host(to, address);
    if (address->is_ipv6)
        *to++ = ']';
    *to++ = ':';
    *decimal_write(to, address->port) = '\0';
    return text;
}

bool address_is_same_host(const struct address *a, const struct address *b)
{
    return a->is_ipv6 == b->is_ipv6 && !memcmp(a->bytes, b->bytes, a->is_ipv6 ? 16 : 4);
}

bool address_is_same(const struct address *a, const struct address *b)
{
    return a->port == b->port && address_is_same_host(a, b);
}

bool subnet_contains(const struct subnet *subnet, const struct address *address)
{
    unsigned whole = subnet->prefix / 8, rest = subnet->prefix % 8;
    uint8_t mask = (uint8_t)(0xff00 >> rest);

    if (subnet->address.is_ipv6 != address->is_ipv6 ||
        memcmp(subnet->address.bytes, address->bytes, whole))
        return false;
    return !rest || !((subnet->address.bytes[whole] ^ address->bytes[whole]) & mask);
}

bool address_from_socket(struct address *address, const struct sockaddr_storage *from)
{
    const struct sockaddr_in *ipv4 = (const void *)from;
    const struct sockaddr_in6 *ipv6 = (const void *)from;

    *address = (struct address){0};
    if (from->ss_family == AF_INET) {
        memcpy(address->bytes, &ipv4->sin_addr, 4);
        address->port = ntohs(ipv4->sin_port);
        return true;
    }
    if (from->ss_family != AF_INET6)
        return false;
    address->is_ipv6 = !IN6_IS_ADDR_V4MAPPED(&ipv6->sin6_addr);
    memcpy(address->bytes, ipv6->sin6_addr.s6_addr + (address->is_ipv6 ? 0 : 12),
           address->is_ipv6 ? 16 : 4);
    address->port = ntohs(ipv6->sin6_port);
    return true;
}

socklen_t address_to_socket(const struct address *address, struct sockaddr_storage *to)
{
    struct sockaddr_in *ipv4 = (void *)to;
    struct sockaddr_in6 *ipv6 = (void *)to;

    memset(to, 0, sizeof(*to));
    if (address->is_ipv6) {
        ipv6->sin6_family = AF_INET6;
        ipv6->sin6_port = htons(address->port);
        memcpy(&ipv6->sin6_addr, address->bytes, 16);
        return sizeof(*ipv6);
    }
    ipv4->sin_family = AF_INET;
    ipv4->sin_port = htons(address->port);
    memcpy(&ipv4->sin_addr, address->bytes, 4);
    return sizeof(*ipv4);
}

/* IP addresses with ports and prefixes, IPv4 and IPv6 alike. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define ADDRESS_TEXT_SIZE 64 /* "[" IPv6 "]:" port and the final NUL */
#define ISCSI_PORT 3260

struct address {
    uint8_t bytes[16]; /* network order; IPv4 uses the first four */
    uint16_t port;     /* host order; 0: none */
    bool is_ipv6;
};

struct subnet {
    struct address address;
    uint8_t prefix; /* bits */
};

/* "10.0.0.1", "10.0.0.1:3260", "::1", "[::1]", "[::1]:3260"; `default_port` where the text has
 * none. false: not an address. */
bool address_parse(struct address *address, const char *text, uint16_t default_port);
/* "10.0.0.1/24"; without a prefix: the single address. */
bool subnet_parse(struct subnet *subnet, const char *text);

/* "10.0.0.1:3260" or "[::1]:3260", as TargetAddress has it (RFC 7143 13.8). Returns `text`. */
char *address_format(const struct address *address, char text[static ADDRESS_TEXT_SIZE]);
/* The same without port and brackets. */
char *address_format_host(const struct address *address, char text[static ADDRESS_TEXT_SIZE]);

bool address_is_same(const struct address *a, const struct address *b);
bool address_is_same_host(const struct address *a, const struct address *b);
bool subnet_contains(const struct subnet *subnet, const struct address *address);

/* An IPv4 address mapped into IPv6 comes out as IPv4. false: neither family. */
bool address_from_socket(struct address *address, const struct sockaddr_storage *from);
socklen_t address_to_socket(const struct address *address, struct sockaddr_storage *to);

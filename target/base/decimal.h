/* Numbers as decimal text where a line or an answer is made often: events, addresses, login keys.
 * Nothing is ended by NUL; what follows the digits is returned. */
#pragma once

#include <stdint.h>

enum { DECIMAL_DIGITS_MAX = 20 };

/* At most DECIMAL_DIGITS_MAX digits, one for 0. */
char *decimal_write(char *to, uint64_t value);
/* The last `digits` digits, with zeros in front. */
char *decimal_write_padded(char *to, uint64_t value, unsigned digits);
/* Exactly `digits` digits; -1: others are among them. */
int64_t decimal_read_padded(const char *from, unsigned digits);

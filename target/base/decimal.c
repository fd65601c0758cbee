#include "target/base/decimal.h"

#include <string.h>

char *decimal_write(char *to, uint64_t value)
{
    char digits[DECIMAL_DIGITS_MAX];
    size_t first = sizeof(digits);

    do {
        digits[--first] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    memcpy(to, digits + first, sizeof(digits) - first);
    return to + sizeof(digits) - first;
}

char *decimal_write_padded(char *to, uint64_t value, unsigned digits)
{
    for (unsigned i = digits; i--; value /= 10)
        to[i] = (char)('0' + value % 10);
    return to + digits;
}

int64_t decimal_read_padded(const char *from, unsigned digits)
{
    int64_t value = 0;

    for (unsigned i = 0; i < digits; i++) {
        if (from[i] < '0' || from[i] > '9')
            return -1;
        value = value * 10 + (from[i] - '0');
    }
    return value;
}

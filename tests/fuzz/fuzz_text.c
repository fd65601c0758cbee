/* Text of login and text requests: pairs, every key of the negotiation, numbers, binary values. */
#include "target/iscsi/negotiate.h"

#include <assert.h>
#include <string.h>

static void read_value(const char *value)
{
    static const char *const known[] = {"None", "CHAP"};
    uint8_t bytes[32];
    uint64_t number;
    int length = text_parse_binary(value, bytes, sizeof(bytes));

    assert(length >= -1 && length <= (int)sizeof(bytes));
    if (text_parse_number(value, 1000, &number))
        assert(number <= 1000);
    text_list_first(value, known, 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct buffer text = {0}, answer = {0};
    struct negotiation negotiation;
    struct text_pair pair;
    char *cursor, *end;

    if (length < 2)
        return 0;
    negotiation_init(&negotiation);
    if (text_collect(&text, bytes + 1, length - 1)) {
        cursor = buffer_content(&text);
        end = cursor + text.length;
        while (text_next(&cursor, end, &pair) == TEXT_PAIR) {
            read_value(pair.value);
            negotiate_key(&negotiation, bytes[0] & 1 ? NEGOTIATE_FULL_FEATURE : NEGOTIATE_LOGIN,
                          bytes[0] & 2, &pair, &answer);
        }
        assert(negotiation.params.max_send_data >= 512);
        assert(negotiation.params.max_burst >= 512 && negotiation.params.first_burst >= 512);
        assert(negotiation.params.max_outstanding_r2t >= 1 &&
               negotiation.params.max_outstanding_r2t <= MAX_OUTSTANDING_R2T_OURS);
    }
    buffer_free(&text);
    buffer_free(&answer);
    return 0;
}

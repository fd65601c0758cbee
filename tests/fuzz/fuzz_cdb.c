/* Additional header segments of a command. */
#include "target/iscsi/pdu.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    uint8_t cdb[CDB_MAX], bhs[BHS_SIZE] = {0};
    uint32_t ahs_length = (uint32_t)length & ~3u, cdb_length;
    uint8_t *ahs = malloc(ahs_length + 1);

    if (ahs_length <= AHS_MAX) {
        memcpy(ahs, bytes, ahs_length);
        cdb_length = pdu_decode_cdb(cdb, bhs, ahs, ahs_length);
        assert(!cdb_length || (cdb_length >= 16 && cdb_length <= CDB_MAX));
    }
    free(ahs);
    return 0;
}

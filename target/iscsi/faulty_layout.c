/* How the bytes of a PDU lie on a faulty connection. */
#include "target/iscsi/digest.h"
#include "target/iscsi/faulty_pdu.h"

uint32_t faulty_layout_size(const struct faulty_layout *layout)
{
    return layout->header + layout->header_digest + layout->data + layout->padding +
           layout->data_digest;
}

struct faulty_layout faulty_layout_of(const struct faulty_conn *faulty, const uint8_t *bhs,
                                      enum faulty_direction direction)
{
    const struct stream *stream = conn_stream(faulty->conn);
    bool is_wire = direction == FAULTY_OUT;
    struct pdu pdu;

    pdu_decode(&pdu, bhs);
    return (struct faulty_layout){
        .header = BHS_SIZE + pdu_ahs_length(bhs),
        .header_digest = is_wire && stream->header_digest ? DIGEST_SIZE : 0,
        .data = pdu.data_length,
        .padding = is_wire ? pdu_padding(pdu.data_length) : 0,
        .data_digest = is_wire && stream->data_digest && pdu.data_length ? DIGEST_SIZE : 0,
    };
}

void faulty_layout_seal(uint8_t *bytes, const struct faulty_layout *layout)
{
    uint8_t *data = bytes + layout->header + layout->header_digest;
    uint32_t padded = layout->data + layout->padding;

    if (layout->header_digest)
        digest_put(bytes + layout->header, digest_add(DIGEST_START, bytes, layout->header));
    if (layout->data_digest)
        digest_put(data + padded, digest_add(DIGEST_START, data, padded));
}

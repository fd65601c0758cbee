#include "target/scsi/result.h"
#include "target/scsi/unit.h"

#include <string.h>

void attention_add(struct scsi_nexus *nexus, uint32_t result)
{
    for (unsigned i = 0; i < nexus->attention_count; i++)
        if (nexus->attentions[i] == result)
            return;
    if (nexus->attention_count < ATTENTIONS_MAXIMUM)
        nexus->attentions[nexus->attention_count++] = result;
}

void attention_add_others(struct scsi_nexus *nexus, uint32_t result)
{
    LIST_FOR_EACH(link, &nexus->lun->nexuses)
    {
        struct scsi_nexus *other = container_of(link, struct scsi_nexus, link);

        if (other != nexus)
            attention_add(other, result);
    }
}

uint32_t attention_take(struct scsi_nexus *nexus)
{
    if (nexus->attention_count == 0)
        return SCSI_GOOD;
    uint32_t result = nexus->attentions[0];
    nexus->attention_count--;
    memmove(nexus->attentions, nexus->attentions + 1,
            nexus->attention_count * sizeof nexus->attentions[0]);
    return result;
}

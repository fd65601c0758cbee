#include "sim-cluster/map_exports.h"

#include "target/base/config.h"
#include "target/base/event_line.h"
#include "target/base/memory.h"

#include <stdio.h>
#include <stdlib.h>

struct row {
    char *begin; /* owned: its text up to the runs */
    struct buffer runs;
    size_t first, count; /* the last run */
};

struct rows {
    struct row *rows; /* owned */
    size_t count;
    struct name_index begins;
};

/* "{...,"targets":[" in an emptied buffer. */
static const char *describe(struct buffer *text, const struct cluster *cluster,
                            const struct cluster_target *target, size_t group)
{
    const char *separator = "[";

    buffer_take(text, text->length);
    buffer_append_text(text, "{\"portal_group\":");
    event_line_write_text(text, cluster->groups[group].config->name);
    buffer_append_text(text, ",\"initiators\":");
    for (int i = target->last_export; i >= 0; i = cluster->exports[i].next) {
        if (cluster->exports[i].group != (int)group)
            continue;
        buffer_append_text(text, separator);
        event_line_write_text(text, cluster->exports[i].initiator);
        separator = ",";
    }
    buffer_append(text, "],\"targets\":[", sizeof("],\"targets\":["));
    return buffer_content(text);
}

static struct row *get_row(struct rows *rows, const char *begin)
{
    ptrdiff_t place = name_index_find(&rows->begins, begin);
    struct row *row;

    if (place >= 0)
        return &rows->rows[place];
    name_index_add(&rows->begins, begin, rows->count);
    row = config_append(&rows->rows, &rows->count, sizeof(*row));
    *row = (struct row){.begin = memory_copy_text(begin)};
    return row;
}

static void end_run(struct row *row)
{
    char text[64];

    snprintf(text, sizeof(text), "%s[%zu,%zu]", row->runs.length ? "," : "", row->first,
             row->count);
    buffer_append_text(&row->runs, text);
}

static void add_target(struct row *row, size_t place)
{
    if (row->count && place == row->first + row->count) {
        row->count++;
        return;
    }
    if (row->count)
        end_run(row);
    row->first = place;
    row->count = 1;
}

static void write_row(struct buffer *out, struct row *row)
{
    end_run(row);
    buffer_append_text(out, row->begin);
    buffer_append(out, buffer_content(&row->runs), row->runs.length);
    buffer_append_text(out, "]}");
    buffer_free(&row->runs);
    free(row->begin);
}

void map_write_exports(struct buffer *out, const struct cluster *cluster)
{
    struct buffer text = {0};
    struct rows rows = {0};

    for (size_t i = 0; i < cluster->target_count; i++) {
        const struct cluster_target *target = &cluster->targets[i];

        for (size_t j = 0; j < cluster->config->portal_group_count; j++)
            if (target->groups & UINT64_C(1) << j)
                add_target(get_row(&rows, describe(&text, cluster, target, j)), i);
    }
    for (size_t i = 0; i < rows.count; i++) {
        if (i)
            buffer_append_text(out, ",");
        write_row(out, &rows.rows[i]);
    }
    name_index_free(&rows.begins);
    buffer_free(&text);
    free(rows.rows);
}

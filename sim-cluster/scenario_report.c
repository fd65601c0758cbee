#include "sim-cluster/scenario_report.h"

#include "target/base/memory.h"

#include <errno.h>
#include <string.h>

void scenario_write_escaped(FILE *file, const char *text)
{
    for (; *text; text++)
        switch (*text) {
        case '<':
            fputs("&lt;", file);
            break;
        case '>':
            fputs("&gt;", file);
            break;
        case '&':
            fputs("&amp;", file);
            break;
        case '"':
            fputs("&quot;", file);
            break;
        default:
            if ((unsigned char)*text >= ' ' || *text == '\n' || *text == '\t')
                fputc(*text, file); /* other control characters are not allowed in XML */
        }
}

void scenario_write_json(FILE *file, const json_t *record)
{
    json_dumpf(record, file, JSON_INDENT(1));
    fputc('\n', file);
}

char *scenario_write_file(const char *path, const json_t *record, scenario_writer *write)
{
    FILE *file = fopen(path, "we");

    if (!file)
        return memory_format("%s: %s", path, strerror(errno));
    write(file, record);
    return fclose(file) ? memory_format("%s: %s", path, strerror(errno)) : NULL;
}

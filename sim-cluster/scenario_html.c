#include "sim-cluster/scenario_report.h"
void scenario_write_html(FILE *file, const json_t *record)
{
    scenario_write_json(file, record);
}

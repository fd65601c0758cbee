#include "sim-cluster/scenario_svg.h"

#include "sim-cluster/scenario_report.h"

#include <string.h>

#define WIDTH_LEAST 1.5
#define CHARACTER_WIDTH 6.1

void svg_rectangle(FILE *file, const char *class, double x, double y, double width, double height,
                   const char *tip)
{
    fprintf(file, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"", class,
            x, y, width < WIDTH_LEAST ? WIDTH_LEAST : width, height);
    if (!tip) {
        fputs("/>\n", file);
        return;
    }
    fputs("><title>", file);
    scenario_write_escaped(file, tip);
    fputs("</title></rect>\n", file);
}

void svg_line(FILE *file, const char *class, double x1, double y1, double x2, double y2)
{
    fprintf(file, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", class,
            x1, y1, x2, y2);
}

void svg_text(FILE *file, const char *class, double x, double y, const char *text)
{
    fprintf(file, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">", class, x, y);
    scenario_write_escaped(file, text);
    fputs("</text>\n", file);
}

double svg_width_of(const char *text)
{
    return (double)strlen(text) * CHARACTER_WIDTH;
}

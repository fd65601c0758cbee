/* Pieces of drawings, SVG; the class of each says how it looks (scenario_style.c). Texts are
 * escaped here. */
#pragma once

#include <stdio.h>

/* `tip` is shown under the pointer; NULL: nothing is. Never narrower than can be seen. */
void svg_rectangle(FILE *file, const char *class, double x, double y, double width, double height,
                   const char *tip);
void svg_line(FILE *file, const char *class, double x1, double y1, double x2, double y2);
void svg_text(FILE *file, const char *class, double x, double y, const char *text);
/* How wide a text is about, in small type. */
double svg_width_of(const char *text);

#include "sim-cluster/pace.h"

#define COUNTED_S 0.05
#define REST_S 0.002

enum { THICK_PER_S = 1000 };

void pace_note(struct pace *pace)
{
    pace->events++;
}

double pace_rest(struct pace *pace, double now)
{
    double seconds = now - pace->began;

    if (seconds < COUNTED_S)
        return pace->rest_s;
    pace->rest_s = pace->events > THICK_PER_S * seconds ? REST_S : 0;
    pace->events = 0;
    pace->began = now;
    return pace->rest_s;
}

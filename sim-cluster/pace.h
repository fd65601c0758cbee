/* How often the supervisor looks at what its children tell. Each look costs it a wake-up and a
 * write of the record: where events come thick, as while a thousand hosts log in, it rests for a
 * moment between two looks, and takes many at once. Pure. */
#pragma once

struct pace {
    double began; /* loop time: since when events are counted */
    unsigned events;
    double rest_s;
};

/* A child has told an event. */
void pace_note(struct pace *pace);
/* Once a turn of the loop: for how long it may rest, in seconds. */
double pace_rest(struct pace *pace, double now);

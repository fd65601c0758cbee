/* What clients may ask of the supervisor: one row a request. */
#pragma once

#include <jansson.h>

struct client;

/* An owned reply; NULL: it comes later. */
typedef json_t *request_answer(struct client *client, json_t *message);
request_answer requests_answer;

/* Persistent reservations as they are kept: JSON, so that people can read what the array knows. */
#include "target/base/memory.h"
#include "target/scsi/reservation.h"

#include <stdio.h>
#include <stdlib.h>

/* A key is eight bytes that mean nothing: sixteen hexadecimal digits. */
enum { KEY_SIZE = 17 };

static json_t *encode_registration(const struct registration *registration)
{
    char key[KEY_SIZE];

    snprintf(key, sizeof key, "%016llx", (unsigned long long)registration->key);
    return json_pack("{s:s, s:i, s:s, s:b}", "initiator_port", registration->initiator_port, "port",
                     registration->port, "key", key, "holder", registration->is_holder);
}

json_t *reservations_encode(const struct reservations *reservations)
{
    json_t *list = json_array();

    for (size_t i = 0; i < reservations->count; i++)
        if (!reservations->registrations[i].is_removed)
            json_array_append_new(list, encode_registration(&reservations->registrations[i]));
    return json_pack("{s:I, s:b, s:i, s:o}", "generation", (json_int_t)reservations->generation,
                     "aptpl", reservations->outlives_power, "type", reservations->type,
                     "registrations", list);
}

static bool decode_registration(json_t *json, struct registration *registration)
{
    const char *port_name, *key;
    int port, is_holder;

    if (json_unpack(json, "{s:s, s:i, s:s, s:b}", "initiator_port", &port_name, "port", &port,
                    "key", &key, "holder", &is_holder))
        return false;
    snprintf(registration->initiator_port, sizeof registration->initiator_port, "%s", port_name);
    registration->port = (uint16_t)port;
    registration->key = strtoull(key, NULL, 16);
    registration->is_holder = is_holder;
    return true;
}

struct reservations *reservations_decode(json_t *json)
{
    json_t *list = json_object_get(json, "registrations"), *element;
    json_int_t type = json_integer_value(json_object_get(json, "type"));
    struct reservations *reservations = memory_new(
        sizeof *reservations + json_array_size(list) * sizeof reservations->registrations[0]);
    size_t i;

    reservations->generation = (uint32_t)json_integer_value(json_object_get(json, "generation"));
    reservations->outlives_power = json_is_true(json_object_get(json, "aptpl"));
    json_array_foreach (list, i, element) {
        reservations->count +=
            decode_registration(element, &reservations->registrations[reservations->count]);
    }
    if (reservation_is_type((unsigned)type) && reservations->count)
        reservations->type = (enum reservation_type)type;
    return reservations;
}

/* What no single line shows: references between sections, things that may exist only once. */
#pragma once

struct cluster_config;

/* Also names the targets and numbers the portal groups. NULL, or an owned sentence. */
char *config_check(struct cluster_config *config);

/* "FILE:LINE: " and the sentence, owned. */
char *config_wrong(const struct cluster_config *config, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

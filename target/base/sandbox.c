#include "target/base/sandbox.h"

#include "target/base/event.h"
#include "target/base/landlock.h"
#include "target/base/memory.h"
#include "target/base/system_calls.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef __has_feature
#define __has_feature(name) 0
#endif

/* Sanitizers trace their own process and read /proc when it ends. */
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
enum { IS_SANITIZED = true };
#else
enum { IS_SANITIZED = false };
#endif

/* What libraries read once from files they read now. */
static void warm_up(void)
{
    tzset();
    OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL);
}

static struct rights_wish read_wish(const json_t *wish)
{
    const json_t *uid = json_object_get(wish, "uid"), *gid = json_object_get(wish, "gid");

    return (struct rights_wish){
        .becomes_user = json_is_integer(uid) && json_is_integer(gid),
        .uid = (uid_t)json_integer_value(uid),
        .gid = (gid_t)json_integer_value(gid),
        .is_dumpable = IS_SANITIZED || !json_is_false(json_object_get(wish, "dumpable")),
    };
}

static char *restrict_process(struct sandbox *sandbox, bool has_files)
{
    int error = landlock_restrict(has_files ? "." : NULL, &sandbox->landlock);

    if (error)
        return memory_format("cannot restrict itself to its files: %s", strerror(-error));
    error = system_calls_restrict(has_files, &sandbox->has_seccomp);
    return error ? memory_format("cannot restrict its system calls: %s", strerror(-error)) : NULL;
}

char *sandbox_enter(struct sandbox *sandbox, const json_t *request, const char *directory)
{
    const json_t *wanted = json_object_get(request, "sandbox");
    struct rights_wish wish = read_wish(wanted);
    char *wrong = NULL;

    *sandbox = (struct sandbox){.is_on = !json_is_false(wanted)};
    if (directory && chdir(directory)) /* later nobody may be allowed to go there */
        return memory_format("%s: %s", directory, strerror(errno));
    if (sandbox->is_on) {
        warm_up();
        wrong = rights_give_up(&wish);
    }
    sandbox->held = rights_held();
    if (!wrong && sandbox->is_on && !IS_SANITIZED)
        wrong = restrict_process(sandbox, directory);
    return wrong;
}

bool sandbox_take(struct sandbox *sandbox, struct child *child, int64_t id, const json_t *request,
                  const char *directory)
{
    char *wrong = sandbox_enter(sandbox, request, directory);

    if (wrong)
        child_refuse(child, id, "%s", wrong);
    free(wrong);
    return !wrong;
}

static const char *missing(const struct sandbox *sandbox)
{
    if (!sandbox->is_on)
        return "everything: the configuration says so";
    if (IS_SANITIZED)
        return "seccomp and Landlock: this is a build with sanitizers";
    if (!sandbox->has_seccomp)
        return "seccomp: this kernel has none";
    return sandbox->landlock ? NULL : "Landlock: this kernel has none";
}

void sandbox_tell(const struct sandbox *sandbox)
{
    const struct rights *held = &sandbox->held;

    event(EVENT_PROCESS_SANDBOXED, number("uid", held->uid),
          flag("capabilities", held->has_capabilities), flag("no_new_privs", held->no_new_privs),
          flag("dumpable", held->is_dumpable), flag("seccomp", sandbox->has_seccomp),
          number("landlock", sandbox->landlock), text("missing", missing(sandbox)));
}

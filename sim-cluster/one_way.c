#include "sim-cluster/one_way.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int call(enum bpf_cmd command, union bpf_attr *attributes)
{
    long result = syscall(SYS_bpf, command, attributes, sizeof(*attributes));

    return result < 0 ? -errno : (int)result;
}

/* "return XDP_DROP" */
static int load(void)
{
    static const struct bpf_insn program[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_DROP},
        {.code = BPF_JMP | BPF_EXIT},
    };
    union bpf_attr attributes = {
        .prog_type = BPF_PROG_TYPE_XDP,
        .insns = (uintptr_t)program,
        .insn_cnt = sizeof(program) / sizeof(*program),
        .license = (uintptr_t) "",
    };

    return call(BPF_PROG_LOAD, &attributes);
}

int one_way_cut(int interface_index)
{
    union bpf_attr attributes;
    int program = load(), link;

    if (program < 0)
        return program;
    memset(&attributes, 0, sizeof(attributes));
    attributes.link_create.prog_fd = (uint32_t)program;
    attributes.link_create.target_ifindex = (uint32_t)interface_index;
    attributes.link_create.attach_type = BPF_XDP;
    attributes.link_create.flags = XDP_FLAGS_SKB_MODE; /* any kind of interface */
    link = call(BPF_LINK_CREATE, &attributes);
    close(program);
    return link;
}

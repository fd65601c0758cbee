/* Every kind of fault, a row each; help, manual and validation come from here. */
#include "target/base/fault.h"

#include <string.h>

const char FAULT_REQUIRED[] = "";

enum {
    EVERYWHERE = FAULT_LOGIN | FAULT_PDU | FAULT_COMMAND | FAULT_DISK | FAULT_NODE |
                 FAULT_FLOATING_IP | FAULT_NETWORK,
    ON_SESSIONS = FAULT_LOGIN | FAULT_PDU | FAULT_COMMAND,
    ON_BLOCKS = FAULT_COMMAND | FAULT_DISK,
};

#define MAXIMUM INT64_MAX

/* clang-format off */
const struct fault_key fault_keys[FAULT_KEYS] = {
    [FAULT_KEY_NODE] = {"node", FAULT_NUMBER, 1, 65535, NULL, NULL, "only on this node", EVERYWHERE},
    [FAULT_KEY_PORTAL_GROUP] = {"portal_group", FAULT_TEXT, 0, 0, NULL, NULL, "only in this portal group", ON_SESSIONS | FAULT_FLOATING_IP},
    [FAULT_KEY_PORTAL] = {"portal", FAULT_TEXT, 0, 0, NULL, NULL, "only at this portal or floating IP: address, or address:port", ON_SESSIONS},
    [FAULT_KEY_INITIATOR] = {"initiator", FAULT_TEXT, 0, 0, NULL, NULL, "only initiators of this name; * and ? match any", ON_SESSIONS},
    [FAULT_KEY_SESSION] = {"session", FAULT_NUMBER, 1, 65535, NULL, NULL, "only the session of this TSIH", FAULT_PDU | FAULT_COMMAND},
    [FAULT_KEY_DIRECTION] = {"direction", FAULT_CHOICE, 0, 0, NULL, "in out", "only this direction, as the target sees it", FAULT_PDU | FAULT_NETWORK},
    [FAULT_KEY_PDU] = {"pdu", FAULT_PDU_NAME, 0, 0, NULL, NULL, "only PDUs of this kind, such as NOP-Out, Data-In, R2T", FAULT_PDU},
    [FAULT_KEY_COMMAND] = {"command", FAULT_COMMAND_NAME, 0, 0, NULL, NULL, "only this command: name or opcode", FAULT_COMMAND},
    [FAULT_KEY_VOLUME] = {"volume", FAULT_TEXT, 0, 0, NULL, NULL, "only this volume", ON_SESSIONS | FAULT_DISK},
    [FAULT_KEY_NETWORK] = {"network", FAULT_TEXT, 0, 0, NULL, NULL, "only in this network, by its name in the configuration", FAULT_NETWORK},
    [FAULT_KEY_PEER] = {"peer", FAULT_SUBNET, 0, 0, NULL, NULL, "only between the node and these: address, or address/prefix", FAULT_NETWORK},
    [FAULT_KEY_LBA] = {"lba", FAULT_RANGE, 0, MAXIMUM, NULL, NULL, "only what touches these blocks of 512 bytes (commands: logical blocks): A-B", ON_BLOCKS},
    [FAULT_KEY_SIZE] = {"size", FAULT_SIZES, 0, MAXIMUM, NULL, NULL, "only what moves so much data: MIN-MAX", FAULT_PDU | ON_BLOCKS | FAULT_NETWORK},
    [FAULT_KEY_SKIP] = {"skip", FAULT_NUMBER, 0, MAXIMUM, NULL, NULL, "let so many pass first", EVERYWHERE},
    [FAULT_KEY_COUNT] = {"count", FAULT_NUMBER, 1, MAXIMUM, NULL, NULL, "strike so many times, then no more", EVERYWHERE},
    [FAULT_KEY_EVERY] = {"every", FAULT_NUMBER, 1, MAXIMUM, NULL, NULL, "strike every n-th time only", EVERYWHERE},
    [FAULT_KEY_PROBABILITY] = {"probability", FAULT_CHANCE, 0, 1000000, NULL, NULL, "strike by chance, 0 to 1", EVERYWHERE},
    [FAULT_KEY_SEED] = {"seed", FAULT_NUMBER, 0, MAXIMUM, NULL, NULL, "of the chance: the same seed decides the same", EVERYWHERE},
    [FAULT_KEY_FOR] = {"for", FAULT_DURATION, 1, MAXIMUM, NULL, NULL, "ends by itself after this time", EVERYWHERE},
    [FAULT_KEY_AFTER] = {"after", FAULT_TEXT, 0, 0, NULL, NULL, "only once the rule of this id has struck", EVERYWHERE},
};

#define TIME(fallback) {"time", FAULT_DURATION, 0, 3600000, fallback, NULL, "how long, or the mean", 0}
#define UP_TO {"to", FAULT_DURATION, 0, 3600000, NULL, NULL, "longest: any time from `time` to this, evenly", 0}
#define DEVIATION {"deviation", FAULT_DURATION, 0, 3600000, NULL, NULL, "standard deviation of a normal distribution", 0}

const struct fault_kind fault_kinds[] = {
    {"login.refuse", FAULT_LOGIN, "refuses the login with a status", "login.refuse status=service_unavailable count=3",
        {{"status", FAULT_LOGIN_STATUS, 0x0200, 0xffff, "service_unavailable", NULL, "name, or class and detail: 0x0301", 0}}},
    {"login.wrong_chap", FAULT_LOGIN, "CHAP goes wrong: the right secret is refused, or the target proves itself with a wrong one", "login.wrong_chap initiator=*:win2016 side=target",
        {{"side", FAULT_CHOICE, 0, 0, "initiator", "initiator target", "whose proof is wrong", 0}}},
    {"login.hang", FAULT_LOGIN, "a login request is never answered", "login.hang portal=127.0.1.100 count=1", {{0}}},
    {"login.slow", FAULT_LOGIN, "a login request is answered late", "login.slow time=3s",
        {TIME(FAULT_REQUIRED), UP_TO, DEVIATION}},
    {"login.drop", FAULT_LOGIN, "closes the connection when a login request comes; with skip, after so many", "login.drop skip=1 count=5", {{0}}},
    {"login.redirect", FAULT_LOGIN, "redirects a login to somewhere else: dead, wrong, foreign, itself, a loop, a name, with tag, or nonsense", "login.redirect to=192.0.2.1:3260 status=permanent",
        {{"to", FAULT_TEXT, 0, 0, NULL, NULL, "TargetAddress as it is sent, any text; without it, the portal logged in to", 0},
         {"status", FAULT_CHOICE, 0, 0, "temporary", "temporary permanent", "moved for how long", 0}}},
    {"login.permanent", FAULT_LOGIN, "a redirect to the right portal says that it is for good", "login.permanent count=1", {{0}}},
    {"login.stale", FAULT_LOGIN, "a floating IP redirects to where a target was before, until the move is this long ago", "login.stale volume=data1 time=20s",
        {{"time", FAULT_DURATION, 1, 86400000, FAULT_REQUIRED, NULL, "after the move", 0}}},
    {"login.discovery", FAULT_LOGIN, "what SendTargets lists", "login.discovery list=nothing for=30s",
        {{"list", FAULT_CHOICE, 0, 0, "nothing", "nothing garbage foreign everything node_portals", "nothing; text that is no address; a target that is not there; targets that are not exported, too; portals of nodes for floating IPs", 0}}},

    {"pdu.drop", FAULT_PDU, "PDUs vanish", "pdu.drop pdu=NOP-In direction=out", {{0}}},
    {"pdu.black_hole", FAULT_PDU, "everything vanishes, the connection stays", "pdu.black_hole direction=in for=20s", {{0}}},
    {"pdu.delay", FAULT_PDU, "PDUs wait, those behind them too", "pdu.delay direction=out time=50ms to=150ms",
        {TIME(FAULT_REQUIRED), UP_TO, DEVIATION}},
    {"pdu.duplicate", FAULT_PDU, "PDUs come twice", "pdu.duplicate pdu=Data-Out count=1", {{0}}},
    {"pdu.reorder", FAULT_PDU, "a PDU is overtaken by the next one", "pdu.reorder direction=out pdu=Data-In every=4", {{0}}},
    {"pdu.fragment", FAULT_PDU, "PDUs leave in pieces of random size", "pdu.fragment direction=out most=17",
        {{"most", FAULT_SIZE, 1, 65536, "64", NULL, "bytes of a piece", 0}}},
    {"pdu.throttle", FAULT_PDU, "PDUs pass at a rate", "pdu.throttle direction=out rate=1M",
        {{"rate", FAULT_SIZE, 1, MAXIMUM, FAULT_REQUIRED, NULL, "bytes a second", 0}}},
    {"pdu.corrupt", FAULT_PDU, "bytes change on the way", "pdu.corrupt pdu=Data-In part=data when=before_digest count=1",
        {{"part", FAULT_CHOICE, 0, 0, "data", "header data digest padding", "of the PDU", 0},
         {"when", FAULT_CHOICE, 0, 0, "after_digest", "after_digest before_digest", "whether a digest gives it away", 0},
         {"offset", FAULT_NUMBER, 0, 16777215, "0", NULL, "byte in the part", 0},
         {"xor", FAULT_NUMBER, 1, 255, "0xff", NULL, "bits that flip", 0}}},
    {"pdu.field", FAULT_PDU, "a field of outgoing PDUs is wrong by so much", "pdu.field pdu=R2T field=offset by=512 count=1",
        {{"field", FAULT_CHOICE, 0, 0, FAULT_REQUIRED, "task_tag transfer_tag stat_sn exp_cmd_sn max_cmd_sn data_sn r2t_sn offset length residual", "which", 0},
         {"by", FAULT_NUMBER, -2147483647, 4294967295, "1", NULL, "what is added", 0}}},
    {"pdu.close_window", FAULT_PDU, "MaxCmdSN says that no command may be sent", "pdu.close_window for=10s", {{0}}},
    {"pdu.send", FAULT_PDU, "a PDU that nobody asked for is sent; an R2T is for the command of the PDU that the rule strikes, and for no data that it has", "pdu.send what=async_scsi sense=capacity_changed",
        {{"what", FAULT_CHOICE, 0, 0, FAULT_REQUIRED, "nop_in reject r2t async_scsi async_logout async_drop_connection async_drop_session async_negotiate", "which", 0},
         {"sense", FAULT_SENSE, 0, 0xffffff, "capacity_changed", NULL, "of async_scsi: name, or 0xKKAAQQ", 0},
         {"offset", FAULT_NUMBER, 0, 0xffffffff, "0xfffff000", NULL, "of r2t: where its range begins", 0},
         {"length", FAULT_NUMBER, 0, 0xffffffff, "4096", NULL, "of r2t: bytes it asks for", 0}}},
    {"pdu.half_close", FAULT_PDU, "the connection is closed for output", "pdu.half_close pdu=SCSI_Command count=1", {{0}}},
    {"pdu.reset", FAULT_PDU, "the connection is reset", "pdu.reset initiator=*:win2016 count=1", {{0}}},

    {"command.sense", FAULT_COMMAND, "CHECK CONDITION with this sense", "command.sense command=READ(10) sense=medium_error lba=1000-1999",
        {{"sense", FAULT_SENSE, 0, 0xffffff, FAULT_REQUIRED, NULL, "name, or 0xKKAAQQ: sense key, ASC, ASCQ", 0}}},
    {"command.unit_attention", FAULT_COMMAND, "a unit attention at the next command", "command.unit_attention sense=capacity_changed count=1",
        {{"sense", FAULT_SENSE, 0x060000, 0x06ffff, "power_on", NULL, "name, or 0x06AAQQ", 0}}},
    {"command.status", FAULT_COMMAND, "ends with this SCSI status, not done", "command.status status=busy probability=0.1",
        {{"status", FAULT_STATUS, 0, 255, "busy", NULL, "name or number", 0}}},
    {"command.task_set_full", FAULT_COMMAND, "TASK SET FULL to a session with more commands than this", "command.task_set_full depth=4",
        {{"depth", FAULT_NUMBER, 0, 65535, FAULT_REQUIRED, NULL, "commands at a time that are taken", 0}}},
    {"command.hang", FAULT_COMMAND, "not answered while the rule is in force, then done", "command.hang command=WRITE(10) for=70s", {{0}}},
    {"command.black_hole", FAULT_COMMAND, "taken, not done, and never answered, also when the rule is over; for everything down to the pings: pdu.black_hole", "command.black_hole initiator=*:win2016 what=data_commands for=20s",
        {{"what", FAULT_CHOICE, 0, 0, "commands", "commands data_commands commands_and_management data_commands_and_management", "all commands or those that move data; with management: task management is done, but not answered", 0}}},
    {"command.delay", FAULT_COMMAND, "done later", "command.delay time=200ms deviation=50ms",
        {TIME(FAULT_REQUIRED), UP_TO, DEVIATION}},
    {"command.answer_without_doing", FAULT_COMMAND, "GOOD, and nothing is done; what is read is zeros", "command.answer_without_doing command=SYNCHRONIZE_CACHE(10)", {{0}}},
    {"command.do_without_answering", FAULT_COMMAND, "done, and never answered", "command.do_without_answering command=WRITE(16) count=1", {{0}}},

    {"disk.latency", FAULT_DISK, "the disk takes longer", "disk.latency volume=data1 operation=write time=20ms deviation=5ms",
        {TIME(FAULT_REQUIRED), UP_TO, DEVIATION,
         {"operation", FAULT_CHOICE, 0, 0, "any", "any read write flush", "of what", 0}}},
    {"disk.read_error", FAULT_DISK, "blocks that cannot be read until they are written again", "disk.read_error volume=data1 lba=2048-2055",
        {{"rewritten", FAULT_CHOICE, 0, 0, "good", "good bad", "what a block that is written again becomes", 0}}},
    {"disk.write_error", FAULT_DISK, "blocks that cannot be written", "disk.write_error volume=data1 lba=4096-8191 count=2", {{0}}},
    {"disk.no_space", FAULT_DISK, "there is no room for what is written", "disk.no_space volume=data1 for=60s", {{0}}},
    {"disk.corrupt", FAULT_DISK, "bits flip in what is read or written", "disk.corrupt volume=data1 operation=read lba=100-100 xor=0x01",
        {{"operation", FAULT_CHOICE, 0, 0, "read", "read write", "on the way from the disk, or to it", 0},
         {"offset", FAULT_NUMBER, 0, 16777215, "0", NULL, "byte of the request", 0},
         {"xor", FAULT_NUMBER, 1, 255, "0x01", NULL, "bits that flip", 0}}},
    {"disk.stuck_bits", FAULT_DISK, "bits of one byte of the disk are stuck, whatever is written", "disk.stuck_bits volume=data1 lba=100 offset=7 bits=0x01 at=one",
        {{"offset", FAULT_NUMBER, 0, 511, "0", NULL, "byte in the first block of lba", 0},
         {"bits", FAULT_NUMBER, 1, 255, "0x01", NULL, "which", 0},
         {"at", FAULT_CHOICE, 0, 0, "zero", "zero one", "what they read as", 0}}},
    {"disk.throttle", FAULT_DISK, "the disk moves data at a rate, once it has moved so much", "disk.throttle volume=data1 rate=1M free=64M",
        {{"rate", FAULT_SIZE, 1, MAXIMUM, FAULT_REQUIRED, NULL, "bytes a second", 0},
         {"free", FAULT_SIZE, 0, MAXIMUM, "0", NULL, "bytes that pass at full speed before", 0}}},
    {"disk.lost_write", FAULT_DISK, "a write is acknowledged and not done", "disk.lost_write volume=data1 every=100", {{0}}},
    {"disk.torn_write", FAULT_DISK, "only the first part of a write is done", "disk.torn_write volume=data1 keep=1k count=1",
        {{"keep", FAULT_SIZE, 0, MAXIMUM, "512", NULL, "bytes that are written", 0}}},
    {"disk.misdirected_write", FAULT_DISK, "a write lands elsewhere", "disk.misdirected_write volume=data1 by=64 count=1",
        {{"by", FAULT_NUMBER, -2147483648, 2147483647, "1", NULL, "blocks of 512 bytes", 0}}},
    {"disk.stale_write", FAULT_DISK, "a write is done, and reads give what was there before", "disk.stale_write volume=data1 time=5s count=1",
        {{"time", FAULT_DURATION, 1, 86400000, NULL, NULL, "for so long; without it and `writes`: until the rule is gone", 0},
         {"writes", FAULT_NUMBER, 1, MAXIMUM, NULL, NULL, "until so many writes to the volume have followed", 0}}},
    {"disk.lying_flush", FAULT_DISK, "writes stay in memory, a flush says otherwise: lost when the process dies, written when the rule ends", "disk.lying_flush volume=data1", {{0}}},

    {"node.flap", FAULT_NODE, "a node goes down and comes up, again and again: a crash loop", "node.flap node=2 how=kill up=2s down=1s count=5",
        {{"how", FAULT_CHOICE, 0, 0, "kill", "kill freeze power-off isolate drain", "it goes down", 0},
         {"up", FAULT_DURATION, 0, 86400000, "2s", NULL, "how long it is up", 0},
         {"down", FAULT_DURATION, 0, 86400000, "1s", NULL, "how long it is down", 0}}},
    {"node.slow_start", FAULT_NODE, "a node takes this long to start", "node.slow_start node=2 time=5s",
        {{"time", FAULT_DURATION, 1, 9000, FAULT_REQUIRED, NULL, "until it serves", 0}}},
    {"node.refuse", FAULT_NODE, "a node takes no target and no floating IP over", "node.refuse node=3 for=1m", {{0}}},
    {"node.disk_full", FAULT_DISK, "a node's disk is full: no volume that it serves has room for what is written", "node.disk_full node=2 for=30s", {{0}}},
    {"node.descriptors", FAULT_NODE, "a node's target process has no descriptors left for new connections", "node.descriptors node=1 most=24 for=30s",
        {{"most", FAULT_NUMBER, 1, 1048576, "24", NULL, "that it may have", 0}}},
    {"floating_ip.absent", FAULT_FLOATING_IP, "a floating IP that no node holds", "floating_ip.absent address=127.0.1.100 for=20s",
        {{"address", FAULT_TEXT, 0, 0, FAULT_REQUIRED, NULL, "of the floating IP", 0}}},
    {"floating_ip.wander", FAULT_FLOATING_IP, "a floating IP moves to another node again and again", "floating_ip.wander address=127.0.1.100 time=2s",
        {{"address", FAULT_TEXT, 0, 0, FAULT_REQUIRED, NULL, "of the floating IP", 0},
         {"time", FAULT_DURATION, 100, 86400000, "2s", NULL, "how long it stays", 0}}},
    {"floating_ip.unannounced", FAULT_FLOATING_IP, "a floating IP comes to a node, and nobody is told; or late", "floating_ip.unannounced address=10.77.1.100 time=5s",
        {{"address", FAULT_TEXT, 0, 0, FAULT_REQUIRED, NULL, "of the floating IP", 0},
         {"time", FAULT_DURATION, 1, 86400000, NULL, NULL, "how late; without it: never", 0}}},
    {"floating_ip.duplicate", FAULT_FLOATING_IP, "two nodes answer for one floating IP", "floating_ip.duplicate address=10.77.1.100 node=2 for=30s",
        {{"address", FAULT_TEXT, 0, 0, FAULT_REQUIRED, NULL, "of the floating IP", 0}}},

    {"network.loss", FAULT_NETWORK, "frames to and from nodes are lost", "network.loss node=1 probability=0.05", {{0}}},
    {"network.delay", FAULT_NETWORK, "frames take longer, those behind them too", "network.delay network=a direction=out time=20ms deviation=5ms",
        {TIME(FAULT_REQUIRED), UP_TO, DEVIATION}},
    {"network.duplicate", FAULT_NETWORK, "frames come twice", "network.duplicate node=2 probability=0.01", {{0}}},
    {"network.partition", FAULT_NETWORK, "nothing passes between nodes and a host: no answer to ARP, no TCP acknowledgement", "network.partition node=1 peer=10.77.1.50 direction=in for=20s", {{0}}},
    {NULL, 0, NULL, NULL, {{0}}},
};
/* clang-format on */

const struct fault_kind *fault_find_kind(const char *name)
{
    for (const struct fault_kind *kind = fault_kinds; kind->name; kind++)
        if (!strcmp(kind->name, name))
            return kind;
    return NULL;
}

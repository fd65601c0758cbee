"""A machine without a disk starts from the cluster: iPXE logs in at the floating IP and follows the redirect."""

import subprocess

import boot_sector
from guest import network_cards, qemu
from lab import NET, iqn

TARGET, TEXT = iqn("data1"), "started from the cluster\n"
DEADLINE = 90


def install(cluster, path):
    """The bootable disk, written to the volume by an initiator in the lab."""
    path.write_bytes(boot_sector.disk(TEXT))
    portal = cluster.portal(cluster.controller())
    subprocess.run([*cluster.lab.inside, "qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", path,
                    f"iscsi://{portal}/{TARGET}/0"], check=True, capture_output=True)


def dhcp_server(cluster, home):
    """Tells machines on network a to start from the target at the floating IP."""
    return subprocess.Popen([
        *cluster.lab.inside, "setpriv", "--pdeathsig", "KILL", "dnsmasq", "--conf-file=/dev/null",
        "--keep-in-foreground", "--port=0", f"--interface={cluster.bridge('a')}", "--bind-interfaces", "--user=root",
        f"--pid-file={home / 'dnsmasq.pid'}", f"--dhcp-leasefile={home / 'leases'}", "--log-facility=/dev/null",
        f"--dhcp-range={NET}.1.60,{NET}.1.69,255.255.255.0",
        f"--dhcp-option-force=17,iscsi:{cluster.floating_ip}::::{TARGET}"])


def third_sector(cluster):
    image, = (cluster.state / "volumes").glob("data1.img")
    with open(image, "rb") as file:
        return file.read(3 * boot_sector.SECTOR)[2 * boot_sector.SECTOR:]


def test_machine_boots_through_the_redirect(cluster, tmp_path):
    install(cluster, tmp_path / "disk")
    tap, mac = cluster.lab.cards[2][0]
    screen = tmp_path / "screen"
    mark = cluster.events.mark()
    with dhcp_server(cluster, tmp_path) as server:
        machine = subprocess.Popen([*cluster.lab.inside, *qemu(
            "-M", "pc", "-boot", "n", "-debugcon", f"file:{screen}",
            *network_cards([(tap, mac)]), memory=64)])
        try:
            moved = cluster.events.wait("login.redirected", DEADLINE, mark, target=TARGET)
            cluster.events.wait("session.opened", DEADLINE, mark, target=TARGET, node=cluster.controller())
            cluster.wait_until(lambda: third_sector(cluster).startswith(TEXT.encode()), "the written sector", DEADLINE)
        finally:
            machine.kill()
            machine.wait()
            server.kill()
    assert moved["portal"] == f"{cluster.floating_ip}:3260"
    assert screen.read_text(errors="replace").endswith(TEXT)

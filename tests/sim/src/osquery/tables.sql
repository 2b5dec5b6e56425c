-- The tables that templates read, with the columns that osquery 5 documents for them.
CREATE TABLE processes (pid BIGINT, name TEXT, path TEXT, cmdline TEXT, state TEXT, cwd TEXT, root TEXT, uid BIGINT, gid BIGINT,
  euid BIGINT, egid BIGINT, suid BIGINT, sgid BIGINT, on_disk INTEGER, wired_size BIGINT, resident_size BIGINT, total_size BIGINT,
  user_time BIGINT, system_time BIGINT, disk_bytes_read BIGINT, disk_bytes_written BIGINT, start_time BIGINT, parent BIGINT,
  pgroup BIGINT, threads INTEGER, nice INTEGER);
CREATE TABLE process_open_sockets (pid INTEGER, fd BIGINT, socket BIGINT, family INTEGER, protocol INTEGER, local_address TEXT,
  remote_address TEXT, local_port INTEGER, remote_port INTEGER, path TEXT, state TEXT);
CREATE TABLE listening_ports (pid INTEGER, port INTEGER, protocol INTEGER, family INTEGER, address TEXT, fd BIGINT, socket BIGINT,
  path TEXT);
CREATE TABLE logged_in_users (type TEXT, user TEXT, tty TEXT, host TEXT, time BIGINT, pid INTEGER);
CREATE TABLE file (path TEXT, directory TEXT, filename TEXT, inode BIGINT, uid BIGINT, gid BIGINT, mode TEXT, device BIGINT,
  size BIGINT, block_size INTEGER, atime BIGINT, mtime BIGINT, ctime BIGINT, btime BIGINT, hard_links INTEGER, symlink INTEGER,
  type TEXT);
CREATE TABLE deb_packages (name TEXT, version TEXT, source TEXT, size BIGINT, arch TEXT, revision TEXT, status TEXT,
  maintainer TEXT, section TEXT, priority TEXT);
CREATE TABLE rpm_packages (name TEXT, version TEXT, release TEXT, source TEXT, size BIGINT, sha1 TEXT, arch TEXT, epoch INTEGER,
  install_time INTEGER, vendor TEXT, package_group TEXT);
CREATE TABLE users (uid BIGINT, gid BIGINT, uid_signed BIGINT, gid_signed BIGINT, username TEXT, description TEXT, directory TEXT,
  shell TEXT, uuid TEXT);
CREATE TABLE system_info (hostname TEXT, uuid TEXT, cpu_type TEXT, cpu_subtype TEXT, cpu_brand TEXT, cpu_physical_cores INTEGER,
  cpu_logical_cores INTEGER, cpu_sockets INTEGER, cpu_microcode TEXT, physical_memory BIGINT, hardware_vendor TEXT,
  hardware_model TEXT, hardware_version TEXT, hardware_serial TEXT, board_vendor TEXT, board_model TEXT, board_version TEXT,
  board_serial TEXT, computer_name TEXT, local_hostname TEXT);
CREATE TABLE os_version (name TEXT, version TEXT, major INTEGER, minor INTEGER, patch INTEGER, build TEXT, platform TEXT,
  platform_like TEXT, codename TEXT, arch TEXT);
CREATE TABLE uptime (days INTEGER, hours INTEGER, minutes INTEGER, seconds INTEGER, total_seconds BIGINT);
CREATE TABLE osquery_info (pid INTEGER, uuid TEXT, instance_id TEXT, version TEXT, config_hash TEXT, config_valid INTEGER,
  extensions TEXT, build_platform TEXT, build_distro TEXT, start_time INTEGER, watcher INTEGER, platform_mask INTEGER);
CREATE TABLE kernel_modules (name TEXT, size BIGINT, used_by TEXT, status TEXT, address TEXT);
CREATE TABLE crontab (event TEXT, minute TEXT, hour TEXT, day_of_month TEXT, month TEXT, day_of_week TEXT, command TEXT, path TEXT);
CREATE TABLE startup_items (name TEXT, path TEXT, args TEXT, type TEXT, source TEXT, status TEXT, username TEXT);

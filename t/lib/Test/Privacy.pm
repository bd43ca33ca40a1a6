package Test::Privacy;

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

=head1 NAME

Test::Privacy - specs on a stock nginx and a real Redis

=head1 SYNOPSIS

    use FindBin; use lib "$FindBin::Bin/lib";
    use Test::More; use Test::Privacy;

    my $t = Test::Privacy->new('gate');             # its own folder, address, keys
    $t->redis->start;
    $t->upstream(sub {                              # runs in another process
        my ($request) = @_;                         # {method, uri, headers => [[name, value]...], body}
        return { headers => ['Set-Cookie' => '_ga=1', 'Content-Type' => 'text/html'], body => '<p>hi' };
    });
    $t->publish($t->bundle);                        # the small policy of Test::Privacy::Bundle
    $t->config(<<'CONF');                           # nginx.conf; see "config"
    %%MAIN%%
    http {
        %%HTTP%%
        %%PRIVACY%%
        server {
            listen %%LISTEN%%;
            privacy enforce;
            privacy_site %%SITE%%;
            location / { proxy_pass %%UPSTREAM%%; }
            location /privacy/ { privacy_center; }
        }
    }
    CONF
    $t->start;

    my $r = $t->get('/', Cookie => 'a=1');          # Test::Privacy::Response
    is($r->status, 200);
    is_deeply([$r->headers('Set-Cookie')], []);
    is_deeply([$t->requests], [...]);               # what the upstream saw since the last call

    my $v = $t->visitor;                            # a browser without scripts: keeps cookies, sends forms
    $v->get('/'); $v->choose('accept_all');
    $t->finish;                                     # stops all, looks through the logs, done_testing

=head1 WHAT FINISH FAILS ON

Any [emerg], [alert] or [crit] in the error log, a worker that died by a signal, a sanitizer report, a master that
does not end. C<< $t->allow(qr/.../) >> excuses lines that the spec provokes.

=cut

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter 'import';
use File::Basename qw(dirname);
use File::Path qw(make_path remove_tree);
use IO::Socket::INET;
use IO::Socket::UNIX;
use JSON::PP ();
use POSIX ();
use Test::More ();
use Time::HiRes qw(sleep time);

use Test::Privacy::Bundle;
use Test::Privacy::Client;
use Test::Privacy::Redis;
use Test::Privacy::Upstream;

our @EXPORT = qw(slurp spew wait_for json);

my $root = abs_path(dirname(__FILE__) . '/../../..');
my @live;

# A spec that dies half way still ends what it started; one that is interrupted too.
$SIG{$_} = sub { exit 1 } for qw(INT TERM HUP);


# new(NAME, workers => 1, site => 'example', cookies over plain HTTP...)
sub new {
    my ($class, $name, %options) = @_;

    my $self = bless {
        name => $name, site => 'example', workers => 1, allow => [], owner => $$, ports => {}, children => [],
        nginx => $ENV{TEST_NGINX_BINARY} || '/usr/sbin/nginx',
        module => $ENV{TEST_NGINX_MODULE} // "$root/build/ngx_http_privacy_module.so",
        ctl => $ENV{TEST_PRIVACYCTL} || "$root/build/privacyctl",
        %options,
    }, $class;

    # An address of its own: specs that run side by side never meet on a port.
    $self->{address} = join '.', 127, 1 + ($$ >> 16) % 126, ($$ >> 8) & 255, $$ & 255;

    $self->{dir} = _folder("$name.$$");
    make_path(map { "$self->{dir}/$_" } qw(html temp cache reports));
    chmod 0755, $self->{dir}, "$self->{dir}/html";
    _give_away("$self->{dir}/temp", "$self->{dir}/cache", "$self->{dir}/reports");

    $self->{redis} = Test::Privacy::Redis->new("$self->{dir}/redis");
    push @live, $self;

    return $self;
}


sub dir     { $_[0]{dir} }
sub root    { $root }
sub redis   { $_[0]{redis} }
sub site    { $_[0]{site} }
sub address { $_[0]{address} }
sub allow   { my $self = shift; push @{$self->{allow}}, @_ }


# Where workers, which are nobody, can reach: the build folder, or /tmp for a clone below a private one.
sub _folder {
    my ($name) = @_;

    my $base = "$root/build/t";
    make_path($base);

    for (my $up = $base; $up ne '/'; $up = dirname($up)) {
        next if ((stat $up)[2] & 01);
        $base = '/tmp/ngx_privacy_module.t';
        make_path($base);
        last;
    }

    remove_tree("$base/$name");
    make_path("$base/$name");
    return "$base/$name";
}


sub _give_away {
    my $uid = getpwnam('nobody');
    return if $> != 0 || !defined $uid;
    chown $uid, -1, @_;
}


# Keys: one key file for the node, one publication key pair for the site.

sub keys_dir {
    my ($self) = @_;

    my $dir = "$self->{dir}/keys";
    if (!-e "$dir/keys") {
        make_path($dir);
        chmod 0755, $dir;
        my ($status, $out) = $self->ctl('keygen', '--site', $self->{site}, $dir);
        die "privacyctl keygen: $out" if $status;
    }
    return $dir;
}


# Runs privacyctl; (exit status, what it printed on both streams).
sub ctl {
    my ($self, @arguments) = @_;

    return _run({}, $self->{ctl}, @arguments);
}


# What a command needs to know to talk about this spec's site.
sub ctl_site { my ($self) = @_; return ('--site', $self->{site}, '--redis', $self->redis->url) }


# A bundle folder: the small test policy with changes on top; see Test::Privacy::Bundle.
sub bundle {
    my ($self, %changes) = @_;

    return Test::Privacy::Bundle::write("$self->{dir}/bundle" . ++$self->{bundles}, %changes);
}


# Publishes a folder; dies when it is refused. Waits until every worker has it when nginx runs.
sub publish {
    my ($self, $folder, @options) = @_;

    my $key = $self->keys_dir . "/$self->{site}.key";
    my ($status, $out) = $self->ctl('publish', $folder, $self->ctl_site, '--key', $key, '--yes', @options);
    die "privacyctl publish: $out" if $status;
    $self->{published} = 1;
    return $out;
}


# Configuration. %%MAIN%% user, module, events; %%HTTP%% paths; %%PRIVACY%% zone, Redis, keys, cache; %%SITE%%;
# %%LISTEN%% the first address and %%LISTEN_NAME%% further ones; %%UPSTREAM%% (a URL); %%DIR%%; %%KEYS%%.

sub config {
    my ($self, $text, %more) = @_;

    my $dir = $self->{dir};
    my %value = (
        MAIN => $self->_main,
        HTTP => join("\n    ", 'access_log off;', 'default_type text/html;',
            'types { text/html html; text/plain txt; text/css css; image/png png; application/json json; }',
            "root $dir/html;",
            map({ "$_\_temp_path $dir/temp/$_;" } qw(client_body proxy fastcgi uwsgi scgi))),
        DIR => $dir, UPSTREAM => "http://unix:$dir/upstream.sock:",
        REDIS => $self->redis->url,
        %more,
    );

    if ($text =~ /%%(?:PRIVACY|SITE|KEYS)%%/) {
        my $keys = $self->keys_dir;
        %value = (
            PRIVACY => join("\n    ", 'privacy_zone 4m;', "privacy_redis $value{REDIS};", "privacy_keys $keys/keys;",
                "privacy_cache_path $dir/cache;"),
            SITE => "$self->{site} key=$keys/$self->{site}.pub", KEYS => $keys,
            %value, %more,
        );
    }

    $text =~ s/%%LISTEN(\w*)%%/$self->listen($1)/ge;
    $text =~ s/%%(\w+)%%/$value{$1} \/\/ die "no %%$1%%"/ge;
    $text =~ s/%%LISTEN(\w*)%%/$self->listen($1)/ge;

    spew("$dir/nginx.conf", $text);
}


sub _main {
    my ($self) = @_;

    my $level = $ENV{TEST_NGINX_DEBUG} ? 'debug' : 'info';
    return join "\n",
        ($> == 0 ? ('user nobody nogroup;') : ()),
        ($self->{module} ne '' ? "load_module $self->{module};" : ()),
        map({ "load_module $_;" } @{$self->{modules} || []}),
        "worker_processes $self->{workers};", "pid $self->{dir}/nginx.pid;", 'daemon off;',
        "error_log $self->{dir}/error.log $level;", "lock_file $self->{dir}/lock;",
        'worker_shutdown_timeout 10s;',
        'events { worker_connections 512; }';
}


# "ADDRESS:PORT", the same for the same name.
sub listen {
    my ($self, $name) = @_;

    $self->{ports}{$name // ''} //= do {
        # a port that was let go again may be given out a second time
        my %taken = map { $_ => 1 } grep { defined } values %{$self->{ports}};
        my $port;
        while (!$port || $taken{$port}) {
            my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => $self->{address}, LocalPort => 0, ReuseAddr => 1)
                or die "no free port: $!";
            $port = $s->sockport;
        }
        $port;
    };
    return "$self->{address}:$self->{ports}{$name // ''}";
}


# nginx

sub start {
    my ($self, %options) = @_;

    die 'nginx runs already' if $self->{pid};
    my $before = length $self->log;
    $self->{pid} = $self->_spawn($self->_environment, $self->{nginx}, '-p', "$self->{dir}/",
        '-c', "$self->{dir}/nginx.conf", '-e', "$self->{dir}/error.log");

    my @listening = map { $self->listen($_) } keys %{$self->{ports}};
    wait_for(sub {
        if (waitpid($self->{pid}, POSIX::WNOHANG()) > 0) {
            delete $self->{pid};
            die "nginx did not start:\n" . $self->log;
        }
        return 0 if !-s "$self->{dir}/nginx.pid" || $self->workers < $self->{workers};
        IO::Socket::INET->new(PeerAddr => $_) || return 0 for @listening;
        return 1;
    }, $options{timeout} || 20) or die "nginx is not ready:\n" . $self->log;

    # A worker that knows no bundle yet only observes: what it learns from Redis comes a moment after it is there.
    # Where something is in Redis' place it does not come.
    if ($self->{published} && slurp("$self->{dir}/nginx.conf") =~ /^\s*privacy_site\b/m) {
        wait_for(sub { (() = substr($self->log, $before) =~ /is in force/g) >= $self->{workers} }, 10);
    }

    $self->_sanitizer_is_live if $ENV{TEST_SANITIZE} && !$options{any};
    return $self;
}


# nginx -t: (exit status, what it said).
sub check_config {
    my ($self) = @_;

    return _run($self->_environment, $self->{nginx}, '-t', '-p', "$self->{dir}/", '-c', "$self->{dir}/nginx.conf",
        '-e', 'stderr');
}


sub _environment {
    my ($self) = @_;

    return {} if !$ENV{TEST_SANITIZE};

    chomp(my $library = `gcc -print-file-name=libasan.so`);
    my $log = "log_path=$self->{dir}/reports/sanitizer";
    return {
        LD_PRELOAD => join(' ', abs_path($library), $ENV{LD_PRELOAD} // ()),
        ASAN_OPTIONS => "detect_leaks=0:detect_odr_violation=0:abort_on_error=0:$log",
        UBSAN_OPTIONS => "print_stacktrace=1:$log",
    };
}


# Both the runtime in the worker and the instrumentation in the module, else the run proves nothing.
sub _sanitizer_is_live {
    my ($self) = @_;

    my ($worker) = $self->workers;
    slurp("/proc/$worker/maps") =~ /libasan/ or die 'libasan is not in the worker';
    return if $self->{module} eq '';
    qx(nm -D $self->{module}) =~ /__asan_report_load/ or die "$self->{module} is not instrumented";
}


# (1, 22, 1)
sub nginx_version {
    my ($self) = @_;

    my (undef, $said) = _run({}, $self->{nginx}, '-v');
    return $said =~ m{nginx/(\d+)\.(\d+)\.(\d+)};
}


sub pid { $_[0]{pid} }

# Pids of the workers; the cache manager and loader are not among them.
sub workers {
    my ($self) = @_;

    my $pid = $self->{pid} or return;
    my @workers = sort { $a <=> $b } grep {
        my $line = slurp("/proc/$_/cmdline");
        $line =~ /worker process/ && $line !~ /shutting down/;
    } split ' ', slurp("/proc/$pid/task/$pid/children");
    return @workers;
}


# Returns when the new workers are there and the old ones take no more connections. $by, if given, sends the signal.
sub reload {
    my ($self, $by) = @_;

    my %old = map { $_ => 1 } $self->workers;
    $by ? $by->() : kill 'HUP', $self->{pid};
    return wait_for(sub {
        my @now = $self->workers;
        return @now >= $self->{workers} && !grep { $old{$_} } @now;
    }, 20);
}


# Returns when each worker has said of itself, in /status, that it is so (CODE gets what it says).
sub each_worker {
    my ($self, $so) = @_;

    my %so;
    return wait_for(sub {
        my $status = json($self->get('/status')->body);
        $so{$status->{node}{worker}} = $so->($status);
        return !grep { !$so{$_} } $self->workers;
    }, 20);
}


# ... that it hears at once of what is published, withdrawn and answered elsewhere.
sub listening { my ($self) = @_; return $self->each_worker(sub { $_[0]{sites}[0]{subscribed} }) }


sub kill_worker {
    my ($self, $signal) = @_;

    my ($victim) = $self->workers;
    $self->allow(qr/worker process $victim exited on signal/);
    kill $signal || 'KILL', $victim;
    return wait_for(sub { my @now = grep { $_ != $victim } $self->workers; @now >= $self->{workers} });
}


# kill -9 of the master and of all that it has started, named or not yet: returns when nobody holds its sockets.
sub kill_all {
    my ($self) = @_;

    my $pid = $self->{pid} or return;
    kill 'STOP', $pid;
    # from when it stands it starts nobody anymore: on another core that is a moment later
    wait_for(sub { slurp("/proc/$pid/stat") =~ /\) [TZX] / }, 20) or die "nginx's master does not stop\n";
    my @children = split ' ', slurp("/proc/$pid/task/$pid/children");
    kill 'KILL', $pid, @children;
    $self->stop('KILL');
    # a worker that ends has threads, each of which holds its sockets until it has ended, too
    wait_for(sub { !grep { slurp($_) =~ /\) [^ZX] / } map { glob "/proc/$_/task/*/stat" } @children }, 20)
        or die "workers outlive kill -9\n";
}


# QUIT by default; after ten seconds TERM, and that is a failure.
sub stop {
    my ($self, $signal) = @_;

    my $pid = $self->{pid} or return 1;
    kill $signal || 'QUIT', $pid;
    my $ended = wait_for(sub { waitpid($pid, POSIX::WNOHANG()) != 0 }, 20);
    if (!$ended) {
        my @workers = split ' ', slurp("/proc/$pid/task/$pid/children");
        kill 'KILL', $pid, @workers;
        waitpid($pid, 0);
        push @{$self->{problems}}, "nginx did not end on $signal" if defined $signal;
        push @{$self->{problems}}, 'nginx did not end on QUIT' if !defined $signal;
    }
    delete $self->{pid};
    unlink "$self->{dir}/nginx.pid";
    return $ended;
}


sub log { my ($self) = @_; return -e "$self->{dir}/error.log" ? slurp("$self->{dir}/error.log") : '' }


# The application behind nginx; see Test::Privacy::Upstream.

sub upstream {
    my ($self, $handler, %options) = @_;

    my $upstream = Test::Privacy::Upstream->new("$self->{dir}/" . ($options{name} || 'upstream'), $handler);
    $self->{upstream} //= $upstream;
    $self->ends_with($upstream->pid);
    return $upstream;
}


sub requests { my ($self) = @_; return $self->{upstream}->requests }


# Clients

sub request {
    my ($self, $method, $uri, @headers) = @_;

    return $self->connect->request($method, $uri, headers => \@headers, close => 1);
}

sub get  { my $self = shift; return $self->request('GET', @_) }
sub head { my $self = shift; return $self->request('HEAD', @_) }

# post(URI, BODY, HEADERS...): BODY a string, or a hash that is sent as a form.
sub post {
    my ($self, $uri, $body, @headers) = @_;

    return $self->connect->request('POST', $uri, headers => \@headers, body => $body, close => 1);
}

# A connection that is kept: ->request(METHOD, URI, headers => [...], body => ...).
sub connect {
    my ($self, %options) = @_;

    return Test::Privacy::Client->new(peer => $self->listen($options{listen}), %options);
}

# A browser without scripts.
sub visitor {
    my ($self, %options) = @_;

    return Test::Privacy::Visitor->new(peer => $self->listen($options{listen}), %options);
}

# curl, for HTTP/2: (exit status, Test::Privacy::Response).
sub curl {
    my ($self, @arguments) = @_;

    my ($status, $out) = _run({}, 'curl', '-sS', '-i', '--max-time', 10, @arguments);
    return ($status, Test::Privacy::Response->parse($out));
}


# The end

sub finish {
    my ($self) = @_;

    $self->stop;
    $self->redis->stop;
    $self->_end_children;

    my @problems = $self->problems;
    Test::More::ok(!@problems, 'nothing alarming in the logs') or Test::More::diag(join "\n", splice @problems, 0, 20);
    $self->{finished} = 1;
    $self->{clean} = Test::More->builder->is_passing;
    Test::More::done_testing() if !Test::More->builder->has_plan;
}


# Instead of all that: nothing here can be tried with this nginx.
sub skip {
    my ($self, $why) = @_;

    $self->{finished} = $self->{clean} = 1;
    Test::More::plan(skip_all => $why);
}


sub problems {
    my ($self) = @_;

    my @problems = @{$self->{problems} || []};
    for my $line (split /\n/, $self->log) {
        next if $line !~ /\[(?:emerg|alert|crit)\]|exited on signal|AddressSanitizer|runtime error/;
        next if grep { $line =~ $_ } @{$self->{allow}};
        push @problems, $line;
    }
    for my $report (glob "$self->{dir}/reports/sanitizer.*") {
        my $text = slurp($report);
        push @problems, $text if !grep { $text =~ $_ } @{$self->{allow}};
    }
    return @problems;
}


sub _end_children {
    my ($self) = @_;

    for my $pid (@{$self->{children}}) {
        kill 'TERM', $pid;
        waitpid $pid, 0;
    }
    $self->{children} = [];
}


END {
    my $status = $?;
    for my $self (grep { $_->{owner} == $$ } @live) {
        local $@;
        eval { $self->stop('TERM'); $self->redis->stop; $self->_end_children };
        if (!$self->{finished} && !$status) {
            print STDERR "# the spec ended without finish\n";
            $status = 1;
        }
        remove_tree($self->{dir}) if $self->{clean} && !$status && !$ENV{TEST_KEEP};
    }
    $? = $status;
}


# Starts a program of this spec (ended with it); its pid.
sub spawn {
    my ($self, @command) = @_;

    return $self->ends_with($self->_spawn({}, @command));
}


# A process that is to be ended with this spec; its pid.
sub ends_with {
    my ($self, $pid) = @_;

    push @{$self->{children}}, $pid;
    return $pid;
}


sub _spawn {
    my ($self, $environment, @command) = @_;

    my $pid = fork // die "fork: $!";
    return $pid if $pid;

    @live = ();
    local @ENV{keys %$environment} = values %$environment;
    $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
    open STDIN, '<', '/dev/null';
    open STDOUT, '>>', "$self->{dir}/stdout.log";
    open STDERR, '>&', \*STDOUT;
    exec { $command[0] } @command or POSIX::_exit(127);
}


sub _run {
    my ($environment, @command) = @_;

    my $pid = open(my $out, '-|') // die "fork: $!";
    if (!$pid) {
        @live = ();
        local @ENV{keys %$environment} = values %$environment;
        open STDERR, '>&', \*STDOUT;
        exec { $command[0] } @command or POSIX::_exit(127);
    }
    local $/;
    my $text = <$out> // '';
    close $out;
    return ($? >> 8 || $? & 127, $text);
}


# Small things

sub slurp {
    my ($path) = @_;

    open my $in, '<:raw', $path or return '';
    local $/;
    return scalar(<$in>) // '';
}


sub spew {
    my ($path, $bytes) = @_;

    make_path(dirname($path));
    open my $out, '>:raw', $path or die "$path: $!";
    print $out $bytes;
    close $out or die "$path: $!";
}


# Until it is true, at most so many seconds (20); what it was at last. It is asked once more when they are over: where
# the machine stood still in between, what was asked before says nothing of then.
sub wait_for {
    my ($condition, $seconds) = @_;

    my $deadline = time + ($seconds || 20);
    while (1) {
        my $begin = time;
        my $value = $condition->();
        return $value if $value || $begin > $deadline;
        sleep 0.02;
    }
}


sub json { return JSON::PP->new->utf8->decode($_[0]) }


1;

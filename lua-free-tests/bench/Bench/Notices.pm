package Bench::Notices;

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# What it costs to tell everybody: 15,000 event streams on one worker, and a notice of 500 bytes to all of them. Beside
# it, with the same settings and as many bytes: nchan, from memory and with Redis, and a bare event loop that only writes
# (bench_floor). All hold their streams at once; they take turns with their messages.
#
#   notices.memory.nchan        worker memory a stream after the messages, over nchan's
#   notices.last.nchan_redis    when the last client has it, over nchan's with Redis
#   notices.last.floor          the same over the floor's
#   notices.cpu.floor           worker CPU a message and client, over the floor's
#   notices.h2.memory, notices.tls.memory    KB a stream over HTTP/2, over TLS
#   notices.redis.commands      what one notice asks of Redis, for a stream

use strict;
use warnings;

use IPC::Open2 qw(open2);
use JSON::PP ();
use Test::Privacy;

use Bench::Figures;
use Bench::Servers;

my $nchan = '/usr/lib/nginx/modules/ngx_nchan_module.so';
my $streams = $ENV{STREAMS} || 15_000;
my $few = $ENV{FEW_STREAMS} || 2_000;       # over HTTP/2 and TLS
my $text = 500;                             # bytes of a notice's text


sub new {
    my ($class, $servers, $rounds) = @_;

    return bless { b => $servers, t => $servers->t, dir => $servers->{dir}, rounds => $rounds, notices => 0 }, $class;
}


sub measure {
    my ($self) = @_;

    my $b = $self->{b};
    local $b->{connections} = 19_500;
    my @names = ('ours', 'floor', -e $nchan ? qw(nchan nchan_redis) : ());
    my %variant = map { my $start = "_$_"; $_ => $self->$start } @names;
    $self->_open($variant{$_}) for @names;

    my (%last, %cpu, @commands);
    for my $round (0 .. $self->{rounds}) {
        my $notice = $self->_notice;
        for my $name ($round % 2 ? reverse @names : @names) {
            my $one = $variant{$name};
            my $commands = $name eq 'ours' ? $self->_commands : 0;
            my $before = Bench::Servers::cpu($one->{worker});
            my $ms = $self->_send($one, $notice);
            select undef, undef, undef, .5;             # what is done after the last client had it counts, too
            my $cpu = (Bench::Servers::cpu($one->{worker}) - $before) / 1000 / $streams;
            next if !$round;                            # the first only warms up
            push @{$last{$name}}, $ms;
            push @{$cpu{$name}}, $cpu;
            push @commands, ($self->_commands - $commands) / $streams if $name eq 'ours';
        }
    }

    my %memory = map { $_ => (_private($variant{$_}{worker}) - $variant{$_}{empty}) / $streams / 1024 } @names;
    printf "notices.memory.kb.%s\t%.2f\t\t\n", $_, $memory{$_} for @names;
    printf "notices.redis.commands\t%.3f\t\t\n", Bench::Figures::median(@commands);
    if ($memory{nchan}) {
        printf "notices.memory.nchan\t%.2f\t%.2f\t%.3f\n", @memory{qw(ours nchan)}, $memory{ours} / $memory{nchan};
        _say('notices.last.nchan', \%last, 'nchan');
        _say('notices.last.nchan_redis', \%last, 'nchan_redis');
        _say('notices.cpu.nchan', \%cpu, 'nchan');
    }
    _say('notices.last.floor', \%last, 'floor');
    _say('notices.cpu.floor', \%cpu, 'floor');
    $self->_end($_) for values %variant;
}


# Over HTTP/2 and TLS: how much a stream takes there.
sub transports {
    my ($self) = @_;

    my $b = $self->{b};
    local $b->{connections} = 19_500;
    for my $kind (['h2', '-2'], ['tls', '-t']) {
        my ($name, $option) = @$kind;
        my $one = $self->_ours($name);
        $self->_open($one, $few, $option);
        $self->_send($one, $self->_notice);
        printf "notices.%s.memory\t%.2f\t\t\n", $name, (_private($one->{worker}) - $one->{empty}) / $few / 1024;
        $self->_end($one);
    }
}


sub _say {
    my ($name, $values, $other) = @_;

    Bench::Figures::say_figure($name, $values->{ours}, $values->{$other},
        Bench::Figures::ratios($values->{ours}, $values->{$other}));
}


# The programs. Each: its port, its worker, the request that opens a stream, where to send what.

sub _ours {
    my ($self, $transport) = @_;

    my ($t, $b) = @$self{qw(t b)};
    $transport //= 'plain';
    $t->redis->start('appendfsync everysec') if !$t->redis->pid;
    $self->_publish;
    my %listen = (plain => '', h2 => 'http2', tls => 'ssl');
    my $name = "notices_$transport";
    my $tls = $transport eq 'tls' ? $self->_certificate : '';
    my $keys = $t->keys_dir;
    my $nginx = $b->_nginx($name, "load_module $t->{module};", <<"END", [$name]);
    privacy_zone 16m;
    privacy_streams 8 total=19000;
    privacy_redis @{[$t->redis->url]};
    privacy_keys $keys/keys;
    privacy_cache_path $self->{dir}/cache;
    privacy enforce;
    privacy_site @{[$t->site]} key=$keys/@{[$t->site]}.pub;
    server {
        listen ADDRESS:$name $listen{$transport} backlog=4096;
        $tls
        location / { return 204; }
        location /privacy/ { privacy_center; }
    }
END
    my $cookie = $transport eq 'tls' ? '__Host-privacy-user' : 'privacy-user';
    return { name => $name, %$nginx, mark => 'hello', keys => "$keys/keys",
        request => $b->request('GET', '/privacy/events', [Accept => 'text/event-stream', Cookie => "$cookie={binding}"]),
        where => $t->redis->socket, file => 'append' };
}


sub _floor {
    my ($self) = @_;

    my ($t, $b) = @$self{qw(t b)};
    my ($port) = $t->listen('floor') =~ /:(\d+)$/;
    $b->{ports}{floor} = $port;
    my $pid = $t->spawn("$b->{programs}/bench_floor", $t->{address}, $port, "$self->{dir}/event");
    wait_for(sub { IO::Socket::INET->new(PeerAddr => "$t->{address}:$port") }) or die "bench_floor did not start\n";
    return { name => 'floor', pid => $pid, worker => $pid, mark => '200 OK', request => $b->request('GET', '/'),
        where => "$t->{address}:$port", file => 'trigger' };
}


sub _nchan       { $_[0]->_nchan_with('nchan', '', '') }
sub _nchan_redis {
    my ($self) = @_;

    my $t = $self->{t};
    my ($port) = $t->listen('nchan_store') =~ /:(\d+)$/;
    $self->{nchan_store} = Test::Privacy::Redis->new("$self->{dir}/nchan")->start("port $port", "bind $t->{address}",
        'appendonly no');
    return $self->_nchan_with('nchan_redis',
        "upstream store { nchan_redis_server redis://$t->{address}:$port; }", 'nchan_redis_pass store;');
}


sub _nchan_with {
    my ($self, $name, $http, $location) = @_;

    my ($t, $b) = @$self{qw(t b)};
    my $nginx = $b->_nginx($name, "load_module $nchan;", <<"END", [$name]);
    nchan_shared_memory_size 128m;
    $http
    server {
        listen ADDRESS:$name backlog=4096;
        location = /events { nchan_subscriber eventsource; nchan_channel_id everybody; $location }
        location = /send { nchan_publisher; nchan_channel_id everybody; $location }
    }
END
    return { name => $name, %$nginx, mark => '200 OK', where => "$t->{address}:$b->{ports}{$name}", file => 'post',
        request => $b->request('GET', '/events', [Accept => 'text/event-stream']) };
}


sub _certificate {
    my ($self) = @_;

    my $dir = $self->{dir};
    system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=bench.example"
        . " -keyout $dir/tls.key -out $dir/tls.crt 2>/dev/null") == 0 or die "no certificate\n";
    return "ssl_certificate $dir/tls.crt; ssl_certificate_key $dir/tls.key;";
}


# A version in force, and the same in a second database, where notices are signed: each is moved over when it is its turn.
sub _publish {
    my ($self) = @_;

    return if $self->{published}++;
    my ($t, $redis) = ($self->{t}, $self->{t}->redis);
    $t->publish($t->bundle(purposes => [@{Test::Privacy::Bundle::purposes()}[0 .. 2]]));
    $redis->command('COPY', $_, $_, 'DB', 1) for @{$redis->command('KEYS', 'privacy:*')};
    for my $i (1 .. 100_000) {          # whom the site knows, and who are not there
        my $subject = pack 'NNNN', $i * 2654435761 % 2**32, $i, 0, 1;
        $redis->command('HSETNX', sprintf('privacy:%s:users:%02x', $t->site, ord $subject), $subject, time);
    }
}


# The next notice: what goes to Redis, to nchan and over the floor's connections.
sub _notice {
    my ($self) = @_;

    my ($t, $dir) = @$self{qw(t dir)};
    my $n = ++$self->{notices};
    my $mark = sprintf 'mark-%04d-', $n;
    my $words = "$mark " . 'The address of our privacy office has changed. ' x 20;
    spew("$dir/notice.json", JSON::PP->new->utf8->canonical->encode({ kind => 'announcement',
        texts => { map { $_ => { title => $mark, summary => substr($words, 0, $text) } } 'zh-CN', 'en' } }));
    my ($status, $said) = $t->ctl('notice', 'send', '--site', $t->site, '--redis', $t->redis->url . '?db=1',
        '--key', $t->keys_dir . '/' . $t->site . '.key', "$dir/notice.json");
    die "notice send: $said" if $status;

    my $key = 'privacy:' . $t->site . ':notices';
    $t->redis->command('SELECT', 1);
    my ($entry) = @{$t->redis->command('XRANGE', $key, "$n-0", "$n-0")};
    $t->redis->command('SELECT', 0);
    my $sealed = $entry->[1][1];
    spew("$dir/append", _resp('XADD', $key, "$n-0", @{$entry->[1]})
        . _resp('PUBLISH', 'privacy:' . $t->site . ':events', "noticed $n"));

    my $body = _flat($sealed, $mark);
    spew("$dir/event", "id: 1-$n\nevent: notice\ndata: $body\n\n");
    spew("$dir/post", join "\r\n", 'POST /send HTTP/1.1', 'Host: bench.example', 'Content-Type: text/plain',
        'Content-Length: ' . length $body, 'Connection: close', '', $body);
    spew("$dir/trigger", '!');
    return $mark;
}


# As long as what we send: a line of JSON with the same members.
sub _flat {
    my ($sealed, $mark) = @_;

    my ($json) = $sealed =~ /^(\{.*\})$/m or die "no JSON in the notice\n";
    my $notice = JSON::PP->new->utf8->decode($json);
    my ($text) = map { ref $notice->{texts} eq 'HASH' ? $notice->{texts}{en} : $_ }
        ref $notice->{texts} eq 'ARRAY' ? @{$notice->{texts}} : 0;
    return JSON::PP->new->utf8->canonical->encode({ id => 'n' . $mark =~ s/\D//gr, kind => 'announcement',
        title => $text->{title}, summary => $text->{summary} });
}


sub _resp { return join '', '*' . @_ . "\r\n", map { '$' . length($_) . "\r\n$_\r\n" } @_ }


# The streams' program: it opens them and waits for what is asked of it.
sub _open {
    my ($self, $one, $n, @options) = @_;

    my ($t, $b) = @$self{qw(t b)};
    my @keys = $one->{keys} ? ($one->{keys}, $t->site) : ();
    $one->{pid_streams} = open2($one->{out}, $one->{in}, "$b->{programs}/bench_streams", @options, $t->{address},
        $b->{ports}{$one->{name}}, $n // $streams, $one->{request}, $one->{mark}, @keys);
    $one->{empty} = _private($one->{worker});
    my $said = _ask($one, 'open');
    print STDERR "# $one->{name}: $said";
}


# Milliseconds until the last stream had it.
sub _send {
    my ($self, $one, $mark) = @_;

    my ($last) = _ask($one, "send $one->{where} $self->{dir}/$one->{file} $mark") =~ /^got \d+ (\S+)/
        or die "$one->{name}: not everybody got it\n";
    return $last;
}


sub _ask {
    my ($one, $what) = @_;

    print {$one->{in}} "$what\n";
    $one->{in}->flush;
    return readline($one->{out}) // die "$one->{name}: the streams ended\n";
}


sub _end {
    my ($self, $one) = @_;

    close $one->{in};
    waitpid $one->{pid_streams}, 0;
    (delete $self->{nchan_store})->stop if $one->{name} eq 'nchan_redis';
}


sub _private {
    my ($pid) = @_;

    my ($kilobytes) = slurp("/proc/$pid/smaps_rollup") =~ /^Private_Dirty:\s+(\d+)/m;
    return $kilobytes * 1024;
}


sub _commands {
    my ($self) = @_;

    my ($n) = $self->{t}->redis->command('INFO', 'stats') =~ /^total_commands_processed:(\d+)/m;
    return $n;
}


1;

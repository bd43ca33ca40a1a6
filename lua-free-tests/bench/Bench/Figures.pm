package Bench::Figures;

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# What is measured, and how it is said.

use strict;
use warnings;

use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX ();
use Socket qw(SOCK_STREAM);
use Test::Privacy;

use Bench::Servers;

my %count = ('2k' => 4000, '32k' => 2000, '1m' => 100);       # requests a round


sub new {
    my ($class, $servers, $rounds) = @_;

    return bless { b => $servers, rounds => $rounds }, $class;
}


# name, ours, baseline, ratio; the quartiles of the ratios go to standard error.
sub say_figure {
    my ($name, $ours, $baseline, $ratios) = @_;

    my @sorted = sort { $a <=> $b } @$ratios;
    my ($low, $middle, $high) = map { quantile($_, @sorted) } .25, .5, .75;
    printf "%s\t%.2f\t%.2f\t%.3f\n", $name, median(@$ours), median(@$baseline), $middle;
    printf STDERR "# %-28s %.3f  %.3f  %.3f  of %d\n", $name, $low, $middle, $high, scalar @sorted;
}


sub median   { return quantile(.5, sort { $a <=> $b } @_) }
sub quantile { my ($q, @sorted) = @_; my $at = $q * $#sorted; my $i = int $at;
    return $i == $#sorted ? $sorted[$i] : $sorted[$i] + ($at - $i) * ($sorted[$i + 1] - $sorted[$i]) }


# Microseconds of a worker's CPU a request.
sub cost {
    my ($self, $nginx, $server, $connections, $count, @files) = @_;

    my $before = Bench::Servers::cpu($nginx->{worker});
    $self->{b}->load($server, $connections, $count, @files);
    return (Bench::Servers::cpu($nginx->{worker}) - $before) / 1000 / $count;
}


# Takes turns between variants: name => [nginx, server, request files...]; a list of costs for each.
sub rounds {
    my ($self, $requests, %variants) = @_;

    my %cost = map { $_ => [] } keys %variants;
    for my $round (0 .. $self->{rounds}) {
        my @names = sort keys %variants;
        @names = reverse @names if $round % 2;
        for my $name (@names) {
            my ($nginx, $server, @files) = @{$variants{$name}};
            my $n = $round ? $requests : int($requests / 4) || 1;
            my $cost = $self->cost($nginx, $server, 8, $n, @files);
            push @{$cost{$name}}, $cost if $round;              # the first only warms up
        }
    }
    return %cost;
}


sub ratios {
    my ($a, $b) = @_;

    return [map { $a->[$_] / $b->[$_] } 0 .. $#$a];
}


# All insert the same: only the token is another one each time, and where to go back to.
sub verify {
    my ($self, $name, @servers) = @_;

    my $b = $self->{b};
    my %body = map {
        my $body = Test::Privacy::Client->new(peer => "$b->{t}{address}:$b->{ports}{$_}")
            ->request('GET', "/$name.html", headers => $b->navigation)->body;
        $body =~ s/name="(token|return)" value="[^"]*"/name="$1"/g;
        ($_ => $body);
    } @servers;
    $body{$_} eq $body{ours} or print STDERR "# $name: $_ does not insert what ours does\n" for keys %body;
}


# The banner shown, on a page that is proxied.
sub banner {
    my ($self) = @_;

    my $b = $self->{b};
    my ($ours, $plain, $lua) = ($b->ours, $b->plain, $b->lua);
    for my $size (@Bench::Servers::sizes) {
        my ($name) = @$size;
        my $file = $b->request('GET', "/$name.html", $b->navigation);
        $self->verify($name, 'ours', 'sub_filter', $lua ? 'lua' : ());
        my %cost = $self->rounds($count{$name}, ours => [$ours, 'ours', $file], plain => [$plain, 'plain', $file],
            sub_filter => [$plain, 'sub_filter', $file], $lua ? (lua => [$lua, 'lua', $file]) : ());
        say_figure("page.banner.$name.cpu", $cost{ours}, $cost{plain}, ratios($cost{ours}, $cost{plain}));
        for my $other (grep { $cost{$_} } qw(sub_filter lua)) {
            say_figure("page.banner.$name.$other", $cost{ours}, $cost{$other}, ratios($cost{ours}, $cost{$other}));
            say_figure("page.banner.$name.$other.over_plain", $cost{$other}, $cost{plain},
                ratios($cost{$other}, $cost{plain}));
        }
    }
}


# The banner shown and the whole page read for marked elements: against sub_filter doing the same, and doing the banner
# only.
sub marked {
    my ($self) = @_;

    my $b = $self->{b};
    my ($ours, $plain) = ($b->ours, $b->plain);
    for my $size (@Bench::Servers::sizes) {
        my ($name) = @$size;
        my $file = $b->request('GET', "/$name.html", $b->navigation);
        my %cost = $self->rounds($count{$name}, ours => [$ours, 'marked', $file], plain => [$plain, 'plain', $file],
            sub_filter => [$plain, 'sub_filter_marked', $file], banner_only => [$plain, 'sub_filter', $file]);
        say_figure("page.marked.$name.cpu", $cost{ours}, $cost{plain}, ratios($cost{ours}, $cost{plain}));
        say_figure("page.marked.$name.sub_filter", $cost{ours}, $cost{sub_filter},
            ratios($cost{ours}, $cost{sub_filter}));
        say_figure("page.marked.$name.sub_filter.banner_only", $cost{ours}, $cost{banner_only},
            ratios($cost{ours}, $cost{banner_only}));
    }
}


# A visitor who accepted: what their Cookie header is.
sub granted_cookie {
    my ($self) = @_;

    return $self->{granted} ||= do {
        my $b = $self->{b};
        $b->ours;
        my $v = Test::Privacy::Visitor->new(peer => "$b->{t}{address}:$b->{ports}{ours}");
        $v->get('/2k.html');
        my $r = $v->choose('accept_all');
        $v->consent or die "the choice was not saved:\n" . $r->as_text;
        join '; ', map { "$_=$v->{jar}{$_}" } sort keys %{$v->jar};
    };
}


sub granted {
    my ($self) = @_;

    my $b = $self->{b};
    my ($ours, $plain) = ($b->ours, $b->plain);
    my $file = $b->request('GET', '/32k.html', [@{$b->navigation}, Cookie => $self->granted_cookie]);
    my %cost = $self->rounds($count{'32k'}, ours => [$ours, 'ours', $file], plain => [$plain, 'plain', $file]);
    say_figure('page.granted.32k.cpu', $cost{ours}, $cost{plain}, ratios($cost{ours}, $cost{plain}));
}


# Five cookies each way, with the signed cookie to be checked, on what is no page: the gate alone.
sub gate_request {
    my ($self) = @_;

    my $b = $self->{b};
    return $b->request('GET', '/cookies/2k.html', [Accept => '*/*', 'Sec-Fetch-Dest' => 'empty',
        Cookie => $self->granted_cookie . "; $Bench::Servers::cookies"]);
}


sub gate {
    my ($self) = @_;

    my $b = $self->{b};
    my ($ours, $plain, $lua) = ($b->ours, $b->plain, $b->lua);
    my $file = $self->gate_request;
    my %cost = $self->rounds($count{'2k'}, ours => [$ours, 'ours', $file], plain => [$plain, 'plain', $file],
        $lua ? (lua => [$lua, 'lua_gate', $file]) : ());
    say_figure('gate.both.cpu', $cost{ours}, $cost{plain}, ratios($cost{ours}, $cost{plain}));
    say_figure('gate.both.lua', $cost{ours}, $cost{lua}, ratios($cost{ours}, $cost{lua})) if $cost{lua};
}


# Requests a second, eight connections; the machine's whole, so take it with salt.
sub requests_a_second {
    my ($self) = @_;

    my $b = $self->{b};
    my ($ours, $plain) = ($b->ours, $b->plain);
    my $file = $b->request('GET', '/32k.html', $b->navigation);
    my (@ours, @plain);
    for my $round (1 .. $self->{rounds}) {
        for (['ours', \@ours], ['plain', \@plain]) {
            my ($server, $list) = @$_;
            my $r = $b->load($server, 8, $count{'32k'}, $file);
            push @$list, $r->{answers} / $r->{seconds};
        }
    }
    say_figure('page.requests.32k.per_second', \@ours, \@plain, ratios(\@ours, \@plain));
}


# Instructions of a request, by callgrind: the difference between many and few requests, so that start and end cancel.
# file: one request, or a list of those that are sent in turn.
sub instructions {
    my ($self, $name, $modules, $http, $file, $few, $many) = @_;

    $few ||= 200;
    $many ||= 600;
    my @total = map { $self->_callgrind($name, $modules, $http, $file, $_) } $few, $many;
    return ($total[1] - $total[0]) / ($many - $few);
}


sub _callgrind {
    my ($self, $name, $modules, $http, $file, $count) = @_;

    my $b = $self->{b};
    my $t = $b->t;
    my $dir = $b->{dir};
    my @files = ref $file ? @$file : $file;
    my $address = $t->listen("callgrind");
    $b->{ports}{callgrind} = ($address =~ /:(\d+)$/)[0];
    spew("$dir/callgrind.conf", <<"END");
@{[$> == 0 ? 'user nobody nogroup;' : '']}
$modules
daemon off;
master_process off;
pid $dir/callgrind.pid;
error_log $dir/error.log notice;
lock_file $dir/callgrind.lock;
events { worker_connections 256; }
http {
    access_log off;
    default_type text/html;
@{[join '', map { "    $_\_temp_path $dir/temp/$_;\n" } qw(client_body proxy fastcgi uwsgi scgi)]}
$http
}
END
    my $out = "$dir/callgrind.out";
    unlink $out;
    my $pid = $t->spawn('valgrind', '--tool=callgrind', "--callgrind-out-file=$out", $t->{nginx}, '-p', "$dir/",
        '-c', "$dir/callgrind.conf", '-e', "$dir/error.log");
    wait_for(sub { IO::Socket::INET->new(PeerAddr => $address) }, 60)
        or die "$name: nginx under callgrind did not start\n";
    wait_for(sub {                          # the policy is read: a large one takes its time
        my $r = eval { Test::Privacy::Client->new(peer => $address, timeout => 60)->request('GET', '/privacy/versions') };
        $r && $r->status == 200;
    }, 60) or die "$name: no policy came into force under callgrind\n" if $modules =~ /privacy/;
    eval { $b->load('callgrind', 1, 20, @files) };
    qx(callgrind_control -z $pid 2>&1);     # what it took to begin is not the same twice
    $b->load('callgrind', 1, $count, @files);
    # A signal that comes just before nginx waits is noticed with the next event only: it is sent again.
    wait_for(sub { kill 'TERM', $pid; waitpid($pid, POSIX::WNOHANG()) != 0 }, 60)
        or die "$name: nginx under callgrind did not end\n";
    slurp($out) =~ /^(?:summary|totals): (\d+)/m or die "$name: no totals\n";
    return $1;
}


sub page_instructions {
    my ($self) = @_;

    my $b = $self->{b};
    my $t = $b->t;
    my $file = $b->request('GET', '/32k.html', $b->navigation);
    $b->ours;
    my $ours = $self->instructions('ours', "load_module $t->{module};",
        $self->_one($b->ours_http($t->site), 'ours'), $file);
    my $plain = $self->instructions('plain', '', $b->upstream
        . "server { listen " . $t->listen('callgrind') . "; location / { proxy_pass http://application; } }", $file);
    say_figure('page.instructions.32k', [$ours], [$plain], [$ours / $plain]);
}


# Of several server blocks the one that listens on a name, moved to callgrind's address.
sub _one {
    my ($self, $http, $name) = @_;

    my ($general, @servers) = split /^(?=    server \{)/m, $http;
    my ($server) = grep { /ADDRESS:$name\b/ } @servers;
    my $address = $self->{b}->t->listen('callgrind');
    $server =~ s/ADDRESS:\w+/$address/;
    return $general . $server;
}


# 10,000 declared cookies against 10: the same request.
sub gate_scale {
    my ($self) = @_;

    my $b = $self->{b};
    my $t = $b->t;
    $b->ours;
    my $file = $self->gate_request_anonymous;
    my %instructions;
    for my $n (10, 10_000) {
        my $site = "scale$n";
        my $purposes = Test::Privacy::Bundle::purposes();
        my @many = map { "declared_$_" . ($_ % 10 ? '' : '_*') } 1 .. $n - 6;
        $purposes->[1] = Test::Privacy::Bundle::purpose('analytics', 'Analytics', ['_ga', '_ga_*', @many]);
        local $t->{site} = $site;
        my ($status, $out) = $t->ctl('keygen', '--site', $site, $t->dir . "/keys-$site");
        die "keygen: $out" if $status;
        rename $t->dir . "/keys-$site/$site.$_", $t->keys_dir . "/$site.$_" for qw(key pub);
        $t->publish($t->bundle(purposes => $purposes));
        $instructions{$n} = $self->instructions($site, "load_module $t->{module};",
            $self->_one($b->ours_http($site), 'ours'), $file);
    }
    say_figure('gate.scale.instructions', [$instructions{10_000}], [$instructions{10}],
        [$instructions{10_000} / $instructions{10}]);
}


sub gate_request_anonymous {
    my ($self) = @_;

    return $self->{b}->request('GET', '/cookies/2k.html', [Accept => '*/*', 'Sec-Fetch-Dest' => 'empty',
        Cookie => $Bench::Servers::cookies]);
}


# Bytes over plain for a request in flight: a thousand pages that have begun and do not end.
sub memory {
    my ($self) = @_;

    my $b = $self->{b};
    my ($ours, $plain) = ($b->ours, $b->plain);
    my $stalled = $self->_stalled;
    my %bytes;
    for (['ours', $ours], ['plain', $plain]) {
        my ($server, $nginx) = @$_;
        $self->_in_flight($server, $nginx, 20);                 # what is allocated once
        $bytes{$server} = $self->_in_flight($server, $nginx, 800);
    }
    kill 'TERM', $stalled;
    waitpid $stalled, 0;
    printf "page.memory\t%.0f\t%.0f\t%.0f\n", $bytes{ours}, $bytes{plain}, $bytes{ours} - $bytes{plain};
}


sub _in_flight {
    my ($self, $server, $nginx, $n) = @_;

    my $b = $self->{b};
    my $request = slurp($b->request('GET', '/stalled', $b->navigation));
    my $before = _memory($nginx->{worker});
    my @open;
    for (1 .. $n) {
        my $s = IO::Socket::INET->new(PeerAddr => "$b->{t}{address}:$b->{ports}{$server}") or die "connect: $!";
        syswrite $s, $request;
        push @open, $s;
    }
    select undef, undef, undef, 0.5;
    my $bytes = (_memory($nginx->{worker}) - $before) / $n;
    close $_ for @open;
    select undef, undef, undef, 0.5;
    return $bytes;
}


sub _memory {
    my ($pid) = @_;

    my ($kilobytes) = slurp("/proc/$pid/smaps_rollup") =~ /^Private_Dirty:\s+(\d+)/m;
    return $kilobytes * 1024;
}


# Answers the first half of a page to everybody, and nothing more.
sub _stalled {
    my ($self) = @_;

    my $path = "$self->{b}{dir}/stalled.sock";
    unlink $path;
    my $listening = IO::Socket::UNIX->new(Local => $path, Listen => 1024, Type => SOCK_STREAM) or die "$path: $!";
    chmod 0777, $path;
    my $half = substr Bench::Pages::page(32_000, 0), 0, 8000;
    my $pid = fork // die $!;
    return $pid if $pid;

    $SIG{TERM} = 'DEFAULT';
    my @open;
    while (my $client = $listening->accept) {
        sysread $client, my $request, 65536;
        syswrite $client, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 32000\r\n\r\n$half";
        push @open, $client;
    }
    POSIX::_exit(0);
}


# A program that prints its own figures.
sub program {
    my ($self, $name) = @_;

    my $path = "$self->{b}{programs}/$name";
    -x $path or die "$name is not built\n";
    system $path;
}


1;

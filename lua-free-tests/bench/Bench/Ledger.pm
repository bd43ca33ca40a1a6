package Bench::Ledger;

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# What a recorded choice costs (`ONLY=store`). All take turns in one run, with 50 visitors who are connected already and
# send their next choice when the last one is answered, each from a network of its own, and each a new subject. Redis is
# reached over TCP on this machine, with an append-only file that is synced every second.
#
#   store.nginx.cpu.50        nginx's CPU of a choice that a form sends (answered by 303 once it is recorded) over that of
#                             the very same request, answered by `return 204`; both with set_real_ip_from
#   store.nginx.cpu.50.json   the same for a choice that a script sends, whose answer carries the new state
#   store.redis.cpu.50        Redis' CPU of it over that of the same commands from bench_redis: a bare client with 50
#                             connections, one choice at a time on each
#   store.tls.cpu             nginx's CPU of it with Redis behind TLS 1.3 over that without
#   store.cluster.cpu         nginx's CPU of it with a cluster of three shards over that with one server
#   store.p99.always          the 99th percentile of what visitors wait for a choice over that of what the bare client
#                             waits, both with a Redis that syncs its file before each answer (`appendfsync always`)
#   store.page.down, .hung    instructions (callgrind) of a page, undecided and with a granted consent by turns, without
#                             Redis and with one that does not answer, over those with Redis
#
# CPU is in microseconds, p99 in milliseconds.

use strict;
use warnings;

use File::Path qw(make_path);
use Test::Privacy;
use Test::Privacy::Redis;

use Bench::Figures;
use Bench::Servers;

my $visitors = 50;
my $choices = 1000;                                 # a turn


sub new {
    my ($class, $servers, $figures) = @_;

    return bless { b => $servers, f => $figures, dir => $servers->{dir}, network => 0 }, $class;
}


sub cpu {
    my ($self) = @_;

    my $none = $self->_none;
    my $nginx = $self->_single;
    my $redis = $self->{single};
    my $form = $self->_request('single');
    my $json = $self->_request('single', Accept => 'application/json');
    my $cost = $self->_turns(
        form => sub { $self->_cost('single', $form, nginx => $nginx->{worker}, redis => $redis->pid) },
        none => sub { $self->_cost('none', $form, nginx => $none->{worker}) },
        json => sub { $self->_cost('single', $json, nginx => $nginx->{worker}) },
        none_json => sub { $self->_cost('none', $json, nginx => $none->{worker}) },
        bare => sub { $self->_bare($redis) },
    );
    _say('store.nginx.cpu.50', @$cost{qw(form.nginx none.nginx)});
    _say('store.nginx.cpu.50.json', @$cost{qw(json.nginx none_json.nginx)});
    _say('store.redis.cpu.50', @$cost{qw(form.redis bare.redis)});
}


sub tls {
    my ($self) = @_;

    $self->_against_single('tls', $self->_nginx('tls', $self->_tls));
}


sub cluster {
    my ($self) = @_;

    $self->_against_single('cluster', $self->_nginx('cluster', $self->_cluster));
}


sub _against_single {
    my ($self, $name, $nginx) = @_;

    my $single = $self->_single;
    my $form = $self->_request('single');
    my $cost = $self->_turns(
        $name => sub { $self->_cost($name, $form, nginx => $nginx->{worker}) },
        single => sub { $self->_cost('single', $form, nginx => $single->{worker}) },
    );
    _say("store.$name.cpu", @$cost{"$name.nginx", 'single.nginx'});
}


sub p99 {
    my ($self) = @_;

    my $redis = $self->_redis('always', 'appendfsync always');
    $self->_nginx('always', "redis://$redis->{target}");
    my $form = $self->_request('always');
    my $took = $self->_turns(
        ours => sub { _took($self->_load('always', '-l', $form)) },
        bare => sub { _took(qx($self->{b}{programs}/bench_redis -l $redis->{target} $visitors $choices)) },
    );
    _say('store.p99.always', @$took{qw(ours.p99 bare.p99)});
    _say('store.median.always', @$took{qw(ours.median bare.median)});
}


sub _took {
    my ($said) = @_;

    $said =~ / (\d+) (\d+)$/ or die "the load failed\n";
    return { median => $1 / 1000, p99 => $2 / 1000 };
}


sub page {
    my ($self) = @_;

    my $b = $self->{b};
    my $t = $b->t;
    my @pages = ($b->request('GET', '/32k.html', $b->navigation),
        $b->request('GET', '/32k.html', [@{$b->navigation}, Cookie => $self->{f}->granted_cookie]));
    my $http = $self->{f}->_one($b->ours_http($t->site), 'ours');
    my %page;
    for my $state (qw(up down hung)) {
        # what was known before the server went away is known: the archive is in the node's folder
        $t->redis->stop if $state eq 'down';
        $t->redis->start('appendfsync everysec') if $state eq 'hung';
        $t->redis->pause if $state eq 'hung';
        $page{$state} = $self->{f}->instructions($state, "load_module $t->{module};", $http, \@pages, 300, 2300);
    }
    $t->redis->resume;
    Bench::Figures::say_figure("store.page.$_", [$page{$_}], [$page{up}], [$page{$_} / $page{up}]) for qw(down hung);
}


sub _say {
    my ($name, $ours, $baseline) = @_;

    Bench::Figures::say_figure($name, $ours, $baseline, Bench::Figures::ratios($ours, $baseline));
}


# Runs NAME => sub by turns: forth and back in each round, so that what drifts meets all alike. Each sub gives figures by
# their names; a list of them, one a round, as "NAME.FIGURE". The first rounds only warm up.
sub _turns {
    my ($self, @variants) = @_;

    my @names = map { $variants[$_ * 2] } 0 .. $#variants / 2;
    my %measure = @variants;
    my %all;
    for my $round (-2 .. $self->{f}{rounds} - 1) {
        my %sum;
        for my $name (@names, reverse @names) {
            my $figures = $measure{$name}->();
            $sum{"$name.$_"} += $figures->{$_} / 2 for keys %$figures;
        }
        next if $round < 0;
        push @{$all{$_}}, $sum{$_} for keys %sum;
    }
    return \%all;
}


# Microseconds of CPU a choice, of each process.
sub _cost {
    my ($self, $server, $file, %pids) = @_;

    my %before = map { $_ => Bench::Servers::cpu($pids{$_}) } keys %pids;
    $self->_load($server, '', $file);
    return { map { $_ => (Bench::Servers::cpu($pids{$_}) - $before{$_}) / 1000 / $choices } keys %pids };
}


sub _bare {
    my ($self, $redis) = @_;

    my $before = Bench::Servers::cpu($redis->pid);
    system("$self->{b}{programs}/bench_redis $redis->{target} $visitors $choices >/dev/null") == 0
        or die "bench_redis failed\n";
    return { redis => (Bench::Servers::cpu($redis->pid) - $before) / 1000 / $choices };
}


# Each choice comes from a network of its own: one network alone would be told to slow down.
sub _load {
    my ($self, $server, $option, $file) = @_;

    my $b = $self->{b};
    my $first = $self->{network};
    $self->{network} = ($first + $choices) % 65536;
    my $to = "$b->{t}{address} $b->{ports}{$server}";
    my $said = qx($b->{programs}/bench_load -n $first $option $to $visitors $choices $file);
    my ($answers, $failures) = $said =~ /^(\d+) (\d+) / or die "$server: the load failed\n";
    die "$server: $failures of $answers answers failed\n" if $failures;
    return $said;
}


# A choice as a browser sends it that was shown the banner.
sub _request {
    my ($self, $server, @headers) = @_;

    my $b = $self->{b};
    $self->{form} ||= do {
        my $v = Test::Privacy::Visitor->new(peer => "$b->{t}{address}:$b->{ports}{$server}");
        $v->get('/2k.html');
        my %form = $v->form;
        Test::Privacy::Client::form(%form, choice => 'accept_all');
    };
    return $b->request('POST', '/privacy/choices', ['Sec-Fetch-Site' => 'same-origin',
        'Content-Type' => 'application/x-www-form-urlencoded', @headers, 'X-Real-IP' => '@@NETWORK@@@'], $self->{form});
}


# What answers 204 to the same.
sub _none {
    my ($self) = @_;

    my $b = $self->{b};
    return $b->_nginx('none', '', <<"END", ['none']);
    @{[$b->upstream]}
    server {
        listen ADDRESS:none;
        location = /privacy/choices { return 204; }
    }
END
}


sub _single {
    my ($self) = @_;

    return $self->{nginx} ||= do {
        my $redis = $self->{single} = $self->_redis('single', 'appendfsync everysec');
        $self->_nginx('single', "redis://$redis->{target}");
    };
}


sub _nginx {
    my ($self, $name, $url) = @_;

    my $b = $self->{b};
    my $t = $b->t;
    my $keys = $t->keys_dir;
    $b->application;
    make_path("$self->{dir}/cache-$name");
    Test::Privacy::_give_away("$self->{dir}/cache-$name");
    my $nginx = $b->_nginx($name, "load_module $t->{module};", <<"END", [$name]);
    @{[$b->upstream]}
    privacy_zone 16m;
    privacy_redis $url;
    privacy_keys $keys/keys;
    privacy_cache_path $self->{dir}/cache-$name;
    privacy enforce;
    privacy_site @{[$t->site]} key=$keys/@{[$t->site]}.pub;
    server {
        listen ADDRESS:$name;
        location / { proxy_pass http://application; }
        location /privacy/ { privacy_center; }
    }
END
    my $client = Test::Privacy::Client->new(peer => "$t->{address}:$b->{ports}{$name}");
    wait_for(sub { $client->request('GET', '/privacy/versions.json')->body =~ /2026-01-01/ }, 20)
        or die "$name: no policy came into force\n";
    return $nginx;
}


# A Redis of its own over TCP, with the site's policy.
sub _redis {
    my ($self, $name, @lines) = @_;

    my $target = $self->{b}->t->listen("redis_$name");
    my ($address, $port) = split /:/, $target;
    my $redis = Test::Privacy::Redis->new("$self->{dir}/redis-$name");
    $redis->start("bind $address", "port $port", 'auto-aof-rewrite-percentage 0', @lines);
    $redis->{target} = $target;
    $self->_publish($redis->url);
    push @{$self->{ended}}, $redis;
    return $redis;
}


sub _publish {
    my ($self, $url) = @_;

    my $t = $self->{b}->t;
    $self->{folder} ||= $t->bundle(purposes => [@{Test::Privacy::Bundle::purposes()}[0 .. 2]]);
    my ($status, $out) = $t->ctl('publish', $self->{folder}, '--yes', '--site', $t->site, '--redis', $url, '--key',
        $t->keys_dir . '/' . $t->site . '.key');
    die "publish: $out" if $status;
}


# The URL of a Redis behind TLS.
sub _tls {
    my ($self) = @_;

    my $t = $self->{b}->t;
    my $dir = $self->{dir};
    my $target = $t->listen('redis_tls_port');
    my ($address, $port) = split /:/, $target;
    system("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=redis -addext subjectAltName=IP:$address"
        . " -keyout $dir/redis.key -out $dir/redis.crt 2>/dev/null") == 0 or die "openssl failed\n";
    $self->_redis('tls', 'appendfsync everysec', "tls-port $port", "tls-cert-file $dir/redis.crt",
        "tls-key-file $dir/redis.key", "tls-ca-cert-file $dir/redis.crt", 'tls-auth-clients no');
    return "rediss://$target?ca=$dir/redis.crt";
}


# The URL of a cluster of three shards.
sub _cluster {
    my ($self) = @_;

    require Test::Privacy::Cluster;
    my $cluster = Test::Privacy::Cluster->new("$self->{dir}/cluster", address => $self->{b}->t->address,
        lines => ['appendfsync everysec', 'auto-aof-rewrite-percentage 0']);
    push @{$self->{ended}}, $cluster;
    $self->_publish($cluster->url);
    return $cluster->url;
}


sub stop { my ($self) = @_; $_->stop for @{delete $self->{ended} || []} }


1;

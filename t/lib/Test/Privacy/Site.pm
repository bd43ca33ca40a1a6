package Test::Privacy::Site;

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

=head1 NAME

Test::Privacy::Site - the nginx.conf that most specs have, but for what matters to them

=head1 SYNOPSIS

    use Test::Privacy; use Test::Privacy::Site;

    $t->config(site_conf(<<'CONF', http => 'privacy_durability replicas=1;'), REDIS => $url);
        privacy_lease 2s grace=20s;
        add_header X-Consent "<$privacy_consent>" always;
        location / { proxy_pass %%UPSTREAM%%; }
    CONF

=head1 WHAT A SITE HAS

One server, which enforces the spec's policy, with the lines of the spec; its centre at /privacy/, its figures at /status.
A request that says X-Real-IP comes from there: each visitor from a network of their own, so that none is taken for a
flood. What is shown of a visitor (X-Consent and the like), how long a state is trusted and what the pages are is the
spec's to say. C<http> are lines beside the server, further servers among them. Where another mode, place or order is what
is tried, the spec writes its configuration whole.

=cut

use strict;
use warnings;

use Exporter 'import';

our @EXPORT = qw(site_conf);


# For the config of Test::Privacy, which fills in what stands between %%.
sub site_conf {
    my ($server, %options) = @_;

    my $http = $options{http} // '';
    s/\s+\z//, s/^(?=.)/    /gm for $server, $http;

    return <<"CONF";
%%MAIN%%
http {
    %%HTTP%%
    %%PRIVACY%%
    set_real_ip_from 127.0.0.0/8;
$http
    server {
        listen %%LISTEN%%;
        privacy enforce;
        privacy_site %%SITE%%;
$server
        location /privacy/ { privacy_center; }
        location = /status { privacy_status; }
    }
}
CONF
}


1;

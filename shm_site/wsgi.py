import os

from django.core.wsgi import get_wsgi_application

from shm_site.stack import roomy

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shm_site.settings")
application = roomy(get_wsgi_application())
